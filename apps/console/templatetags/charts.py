"""Charts without inline styles; their data types live in ``apps.console.presentation``."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import template
from django.utils import timezone

from apps.console.presentation import charts as data
from apps.console.presentation.axis import Axis
from apps.console.presentation.flow import HEIGHT, WIDTH, Flow, lay_out_flow
from apps.console.presentation.journey import Journey, lay_out_journey
from apps.console.presentation.percent import whole_percent
from apps.console.presentation.timeline import Bar, Timeline, lay_out_timeline, summary

register = template.Library()

_TONES = {"done": "ok", "failed": "late", "running": "run", "compensated": "watch"}
_LETTER = 0.62  # percent of a lane that a letter of 11 px takes at the usual width
_ROWS = {False: (30, 12), True: (18, 8)}  # pixels of a lane and of its bars; compact in panels


@register.inclusion_tag("console/components/chart_spark.html")
def spark(
    values: Sequence[float], label: str = "", recent: int = 3, width: int = 112, height: int = 22
) -> dict[str, Any]:
    """Small columns; the last ``recent`` are in the accent. Without ``label`` it is decoration."""
    columns = data.lay_out_spark(values, recent, width, height)
    return {"columns": columns, "label": label, "width": width, "height": height}


@register.inclusion_tag("console/components/chart_stack.html")
def stack(parts: Sequence[data.Part], label: str, height: int = 10) -> dict[str, Any]:
    """One bar of parts that sum to a whole. Write the parts beside it (``stack_legend``)."""
    return {"segments": data.lay_out_stack(parts), "label": label, "height": height}


@register.inclusion_tag("console/components/stack_legend.html")
def stack_legend(parts: Sequence[data.Part], *, large: bool = False) -> dict[str, Any]:
    """The parts of a stack with their figures; ``large`` for outcomes of a batch or a test."""
    return {"parts": parts, "large": large}


@register.inclusion_tag("console/components/chart_bars.html")
def bars_h(rows: Sequence[data.RankedBar], label: str) -> dict[str, Any]:
    """Ranked bars in two parts, figures at their ends."""
    shapes = data.lay_out_bars(rows)
    return {"shapes": shapes, "label": label, "height": len(shapes) * 25}


@register.inclusion_tag("console/components/chart_burn.html")
def burn(chart: data.Burn) -> dict[str, Any]:
    """Open work falling towards a deadline, with the projection dashed."""
    box = f"0 0 {data.BURN_WIDTH} {data.BURN_HEIGHT}"
    return {"chart": chart, "shape": data.lay_out_burn(chart), "box": box}


@register.inclusion_tag("console/components/cells.html")
def cells(groups: Sequence[data.Cell], label: str) -> dict[str, Any]:
    """A batch in order: one cell a group, failures from the bottom. Cells are links."""
    return {"groups": groups, "label": label}


@register.inclusion_tag("console/components/flow.html")
def flow(picture: Flow) -> dict[str, Any]:
    """Systems and what is in flight between them; below 760 px a list of what is stuck."""
    return {"flow": picture, "shape": lay_out_flow(picture), "box": f"0 0 {WIDTH} {HEIGHT}"}


@register.inclusion_tag("console/components/journey.html")
def journey(picture: Journey) -> dict[str, Any]:
    """All documents of a contract in the lanes of their systems."""
    return {"shape": lay_out_journey(picture), "now": picture.now}


@register.inclusion_tag("console/components/lanes.html")
def lanes(timeline: Timeline, *, compact: bool = False) -> dict[str, Any]:
    """A run as lanes; ``compact`` for side panels: no names on the bars, thinner rows."""
    shape = lay_out_timeline(timeline)
    row, thick = _ROWS[compact]
    idle = [stretch for stretch in shape.axis.stretches if stretch.idle]
    return {
        "timeline": timeline,
        "compact": compact,
        "height": row * len(timeline.lanes),
        "bars": [_drawn(bar, row, thick, named=not compact) for bar in shape.bars],
        "lines": [row * place + row // 2 for place in range(len(timeline.lanes))],
        "ticks": _timeline_ticks(shape.axis, timeline.now),
        "cuts": [
            {"x": _length(s.start), "width": _length(s.end - s.start), "words": s.words()}
            for s in idle
        ],
        "now_x": _length(shape.now),
        "sentence": summary(timeline),
    }


def _length(percent: float) -> str:
    return f"{percent:.2f}%"


def _timeline_ticks(axis: Axis, now: dt.datetime) -> list[tuple[int, str]]:
    """A tick where each stretch of activity begins; the day only where it changes, none at now."""
    ticks: list[tuple[int, str]] = []
    day = ""
    for stretch in axis.stretches:
        begins = timezone.localtime(stretch.begins)
        if stretch.idle or (stretch.begins >= now - dt.timedelta(seconds=1) and ticks):
            continue
        words = f"{begins:%H:%M}" if f"{begins:%-d %b}" == day else f"{begins:%-d %b %H:%M}"
        day = f"{begins:%-d %b}"
        ticks.append((whole_percent(stretch.start), words))
    return ticks


def _drawn(bar: Bar, row: int, thick: int, *, named: bool) -> dict[str, Any]:
    """One bar as attributes; its name goes after it, or into a waiting one, where it fits."""
    name, waiting = bar.step.label, bar.step.state == "waiting"
    letters = len(name) * _LETTER
    after = bar.room > letters
    inside = waiting and bar.width > letters
    return {
        "kind": "waiting" if waiting else f"tone-{_TONES[bar.step.state]}",
        "x": _length(bar.at),
        "width": _length(bar.width),
        "y": bar.lane * row + (row - thick) // 2,
        "height": thick,
        "notches": [_length(notch) for notch in bar.notches],
        "title": f"{name}, {bar.step.state}",
        "name": name if named and (after or inside) else "",
        "name_x": _length(bar.at + (bar.width if after else 0) + 0.6),
        "name_y": bar.lane * row + row // 2 + 4,
    }
