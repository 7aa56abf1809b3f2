"""Marks: icons, severity, state, money, deadlines, systems, people."""

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.http import QueryDict
from django.template import Context
from django.template.defaultfilters import stringfilter
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from apps.console.presentation import amounts, durations, people
from apps.console.presentation.states import SEVERITY_SHAPES, state_look
from apps.console.presentation.words import in_words
from apps.core.money import Money

register = template.Library()

DASH = mark_safe('<span class="muted">—</span>')


@lru_cache(maxsize=512)
def _icon(name: str, size: int) -> SafeString:
    attributes = {"class": "icon", "aria-hidden": "true", "stroke_width": "1.75"}
    return mark_safe(lucide(name, size=size, **attributes))  # noqa: S308 - drawn by the package


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """A lucide icon, decorative: the words beside it carry the meaning."""
    return _icon(str(name), int(size))


@register.simple_tag
def severity(level: str, size: int = 14) -> SafeString:
    """Shape and colour of critical, high, medium or low; any other level is shown as low."""
    known = level if level in SEVERITY_SHAPES else "low"
    return format_html(
        '<svg class="severity severity-{}" viewBox="0 0 16 16" width="{}" height="{}" role="img"'
        ' aria-label="{} severity">{}</svg>',
        known, size, size, str(level).title(), mark_safe(SEVERITY_SHAPES[known]),  # noqa: S308 - a constant of ours
    )  # fmt: skip


@register.simple_tag
def severity_badge(level: str) -> SafeString:
    """The shape with its word, for heads of details."""
    tone = level if level in ("critical", "high", "medium") else "plain"
    return format_html(
        '<span class="badge badge-{}">{}{}</span>', tone, severity(level, 12), level.title()
    )


@register.simple_tag
def badge(text: str, tone: str = "plain", icon_name: str = "") -> SafeString:
    """A word in a box. Tones: plain, critical, high, medium, run, ok."""
    glyph = _icon(icon_name, 12) if icon_name else ""
    return format_html('<span class="badge badge-{}">{}{}</span>', tone, glyph, text)


@register.simple_tag
def state(value: str, label: str = "", *, boxed: bool = False) -> SafeString:
    """State of a record (any FSM state) as icon and word; ``boxed`` draws a badge."""
    look = state_look(value)
    words = label or look.label
    if boxed:
        return badge(words, look.tone, look.icon)
    return format_html(
        '<span class="state state-{}">{}{}</span>', look.tone, _icon(look.icon, 14), words
    )


@register.simple_tag
def money(amount: Decimal | Money | None, currency: str = "", *, plus: bool = False) -> SafeString:
    """An exact amount: symbol, grouped thousands, dimmed decimals. ``None`` is a dash."""
    if isinstance(amount, Money):
        return money(amount.amount, amount.currency, plus=plus)
    if amount is None or amount == "":
        return DASH
    text = amounts.split_amount(Decimal(amount), currency, plus=plus)
    cents = format_html('<span class="cents">{}</span>', text.fraction) if text.fraction else ""
    return format_html(
        '<span class="money" title="{}">{}{}{}{}</span>',
        text.plain(), text.sign, text.symbol, text.whole, cents,
    )  # fmt: skip


@register.simple_tag
def approx(amount: Decimal | None, currency: str = "USD", *, short: bool = False) -> SafeString:
    """A converted amount, always with ≈; ``short`` writes 2.46M. Name the rate date nearby."""
    if amount is None or amount == "":
        return DASH
    write = amounts.short_amount if short else amounts.approximate
    return format_html('<span class="money">{}</span>', write(Decimal(amount), currency))


@register.simple_tag
def sla(due: dt.datetime | None, now: dt.datetime, since: dt.datetime | None = None) -> SafeString:
    """Time left to ``due`` and a bar of the time used since ``since``; the browser ticks it."""
    if not due:
        return DASH
    shown = durations.deadline(due, now, since)
    return format_html(
        '<span class="sla sla-{}"><time datetime="{}" title="{}" data-due="{}"{}>{}</time>'
        '<i class="meter of-{}"></i></span>',
        shown.state, due.isoformat(), _full_time(due), int(due.timestamp()),
        format_html(' data-since="{}"', int(since.timestamp())) if since else "",
        shown.text, shown.used,
    )  # fmt: skip


@register.simple_tag
def ago(moment: dt.datetime | None, now: dt.datetime) -> SafeString:
    """How long ago, ticking; the absolute time is in the title."""
    if not moment:
        return DASH
    return format_html(
        '<time datetime="{}" title="{}" data-ago="{}">{}</time>',
        moment.isoformat(), _full_time(moment), int(moment.timestamp()),
        durations.age((now - moment).total_seconds()),
    )  # fmt: skip


@register.simple_tag
def moment(value: dt.datetime | None, now: dt.datetime, *, brief: bool = False) -> SafeString:
    """Clock time today, weekday within six days, else date; ``brief`` keeps it to one word."""
    if not value:
        return DASH
    local, today = timezone.localtime(value), timezone.localtime(now)
    days = (today.date() - local.date()).days
    form = "%H:%M" if days == 0 else "%a %H:%M" if 0 < days < 7 else "%-d %b %Y"
    if brief and days:
        form = "%a" if 0 < days < 7 else "%-d %b"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(), _full_time(value), local.strftime(form),
    )  # fmt: skip


def _full_time(value: dt.datetime) -> str:
    return timezone.localtime(value).strftime("%a %-d %b %Y, %H:%M:%S %Z")


@register.filter
def dur(seconds: float) -> str:
    """Seconds (or a timedelta) as ``1h 04m``."""
    return durations.duration(_seconds(seconds))


@register.filter
def age(seconds: float) -> str:
    """Seconds (or a timedelta) as one unit, ``8m``."""
    return durations.age(_seconds(seconds))


def _seconds(value: Any) -> float:
    return value.total_seconds() if isinstance(value, dt.timedelta) else float(value)


@register.simple_tag
def systems(failed_at: str = "", names: str = "CPQ,BIL,ERP", *, done: bool = False) -> SafeString:
    """The systems of the flow with the failed one marked: before it done, after it waiting."""
    codes = names.split(",")
    at = codes.index(failed_at) if failed_at in codes else len(codes) if done else -1
    words = (
        f"Failed at {failed_at}" if failed_at in codes else "Done" if done else "No system failed"
    )
    marks = (
        ("failed" if i == at else "done" if i < at else "later", c) for i, c in enumerate(codes)
    )
    return format_html(
        '<span class="systems" role="img" aria-label="{}">{}</span>',
        words, format_html_join("", '<b class="{}">{}</b>', marks),
    )  # fmt: skip


@register.simple_tag
def avatar(name: str = "") -> SafeString:
    """Initials in the person's colour; a dashed ring when nobody is assigned."""
    if not name:
        return mark_safe(
            '<span class="avatar avatar-none" role="img" aria-label="Unassigned"'
            ' title="Unassigned"></span>'
        )
    return format_html(
        '<span class="avatar hue-{}" role="img" aria-label="{}" title="{}">{}</span>',
        people.hue(name), name, name, people.initials(name),
    )  # fmt: skip


@register.simple_tag
def kbd(*keys: str) -> SafeString:
    """Key caps: ``{% kbd "g" "t" %}``."""
    return format_html_join("", "<kbd>{}</kbd>", ((key,) for key in keys))


@register.simple_tag
def meter(share: float, tone: str = "plain", *, thick: bool = False) -> SafeString:
    """A bar of 0 to 100 percent, the figure beside it. Tones: plain, near, late, run, quiet."""
    used = min(100, max(0, round(share)))
    return format_html(
        '<i class="meter meter-{}{} of-{}"></i>', tone, " meter-thick" if thick else "", used
    )


@register.filter
@stringfilter
def humanise(code: str) -> str:
    """``write_off`` → ``Write off``."""
    return in_words(code)


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The present query string with keys replaced, or removed when empty."""
    parameters: QueryDict = context["request"].GET.copy()
    for key, value in changes.items():
        parameters.pop(key, None)
        if value not in (None, ""):
            parameters[key] = str(value)
    return parameters.urlencode()


@register.simple_block_tag
def blk(content: str, title: str, note: str = "", url: str = "", link: str = "") -> SafeString:
    """A titled block; ``note`` is quiet text after it, ``link`` to ``url`` ends the line."""
    aside = format_html('<span class="muted">{}</span>', note) if note else ""
    more = format_html('<a href="{}">{}</a>', url, link or "All") if url else ""
    return format_html(
        '<section class="blk"><header><h2>{}</h2>{}{}</header>{}</section>',
        title, aside, more, content,
    )  # fmt: skip
