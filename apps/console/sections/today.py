"""Today: what is late, where the money stands, what blocks the close, what waits for you."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from textwrap import shorten
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from apps.approvals.selectors import list_to_decide
from apps.connectors.selectors import list_connections
from apps.console.presentation.amounts import short_amount
from apps.console.presentation.flow import Flow, FlowBand, FlowNode
from apps.console.sections.approvals import WaitingApproval, waiting_approvals
from apps.console.sections.case_rows import CaseRow, case_rows
from apps.console.sections.changes import Change, change_of
from apps.console.sections.connectors import condition_of
from apps.core.principal import Principal
from apps.events.models import Event
from apps.exceptions.models import ExceptionCase
from apps.exceptions.reporting import ReportingRates
from apps.exceptions.selectors import list_cases
from apps.exceptions.types import CaseFilter
from apps.monitoring.flow import flow_bands, since_last_visit
from apps.monitoring.selectors import count_overdue
from apps.monitoring.types import FlowFigures, SinceLastVisit
from apps.organisation.selectors import list_periods

ROWS = 5
NODES = (
    ("cpq", "CPQ", 0), ("billing", "Billing", 1), ("tax", "Tax", 2),
    ("provisioning", "Provisioning", 2), ("erp", "ERP", 3),
)  # fmt: skip
_LANES_OF_BAND = {
    ("cpq", "billing"): ("cpq", "billing"), ("billing", "tax"): ("tax",),
    ("tax", "erp"): ("erp",), ("billing", "provisioning"): ("provisioning",),
    ("provisioning", "erp"): ("provisioning",),
}  # fmt: skip
_TOLD = (
    "connection.paused", "connection.resumed", "connection.circuit_opened",
    "connection.circuit_closed", "mapping_version.activated", "approval.approved",
    "approval.rejected", "exception_family.resolved", "exception_family.regressed",
    "break.written_off", "period.locked", "period.reopened", "batch.finished",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the equation; every one opens its list."""

    text: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """Cases of one cause that hold the close."""

    title: str
    note: str
    severity: str
    amount: Decimal
    currency: str
    gate: str
    url: str


@dataclass(frozen=True, slots=True)
class Today:
    """All that the page shows."""

    verdict: str
    verdict_note: str
    equation: list[Term]
    basis: str
    flow: Flow
    flow_title: str
    flow_note: str
    late: list[CaseRow]
    late_count: int
    blockers: list[Blocker]
    blocking_count: int
    close_note: str
    approvals: list[WaitingApproval]
    approvals_count: int
    changes: list[Change]
    since: dt.datetime


def today_of(principal: Principal, *, since: dt.datetime | None, now: dt.datetime) -> Today:
    """The page of one person. Without an earlier visit the equation starts at midnight."""
    start = since or timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    late = list_cases(principal, CaseFilter(view="at_risk"), now=now)
    figures = flow_bands(principal, now=now)
    blocking = list(list_cases(principal, CaseFilter(view="blocks_close"), now=now)[:500])
    to_decide = list_to_decide(principal)
    late_count = late.count()
    rows = list(late[:ROWS])
    overdue = late.filter(sla_due_at__lt=now).count()
    rates = ReportingRates(now.date())
    return Today(
        *_verdict(overdue, late_count - overdue, principal, now),
        equation=_equation(since_last_visit(principal, since=start, now=now)),
        basis=_basis(figures),
        flow=_flow(figures, principal, now),
        flow_title=f"In flight: {figures.count:,} documents, {figures.stuck:,} of them stuck",
        flow_note=_flow_note(figures),
        late=case_rows(rows, since=since, beside=False),
        late_count=late_count,
        blockers=_blockers(blocking, rates),
        blocking_count=len(blocking),
        close_note=_close_note(principal, now),
        approvals=waiting_approvals(to_decide[:4], now),
        approvals_count=to_decide.count(),
        changes=_changes(principal, start),
        since=start,
    )


def _verdict(overdue: int, soon: int, principal: Principal, now: dt.datetime) -> tuple[str, str]:
    waiting = count_overdue(principal, now=now)
    if overdue or soon or waiting:
        parts = [
            f"{overdue} past SLA" if overdue else "",
            f"{soon} due within the hour" if soon else "",
            f"{waiting} {'order' if waiting == 1 else 'orders'} behind a step" if waiting else "",
        ]
        return ", ".join(part for part in parts if part) + ".", ""
    nearest = list_cases(principal, CaseFilter(), now=now).first()
    if nearest is None:
        return "Nothing is late.", "Nothing is open."
    due = timezone.localtime(nearest.sla_due_at)
    return "Nothing is late.", f"The next deadline is {due:%a %H:%M}."


def _equation(figures: SinceLastVisit) -> list[Term]:
    base = reverse("exceptions")
    local = timezone.localtime(figures.since)
    now_text = short_amount(figures.amount_now, figures.currency)
    closed = f"{base}?view=closed_today"
    return [
        Term(f"{figures.before:,}", f"open {local:%a %H:%M}", f"{base}?view=open"),
        Term(f"+{figures.opened:,}", "opened", f"{base}?view=open&sort=-opened"),
        Term(f"−{figures.closed_by_people:,}", "closed by people", closed),
        Term(
            f"−{figures.cleared_themselves:,}", "cleared themselves", f"{base}?view=closed_today"
        ),
        Term(f"{figures.now:,}", f"open now, {now_text}", f"{base}?view=open"),
    ]


def _basis(figures: FlowFigures) -> str:
    if figures.rate_date is None:
        return f"Totals in {figures.currency}"
    return f"Totals in {figures.currency}, rates of {figures.rate_date:%-d %b %Y}"


def _flow(figures: FlowFigures, principal: Principal, now: dt.datetime) -> Flow:
    notes: dict[str, list[tuple[str, bool]]] = {}
    for connection in list_connections(principal):
        condition = condition_of(connection, now)
        if condition not in ("healthy", "idle"):
            note = (f"{connection.name} {condition}", True)
            notes.setdefault(connection.role, []).append(note)
    bands = tuple(
        FlowBand(
            band.source, band.target, band.count, band.amount, band.stuck, band.stuck_amount,
            shorten(", ".join(band.reasons[:2]), 52, placeholder="…"),
            _band_url(band.source, band.target),
        )
        for band in figures.bands
        if band.count
    )  # fmt: skip
    used = {key for band in bands for key in (band.source, band.target)}
    nodes = tuple(
        FlowNode(key, name, column, tuple(notes.get(key, [])[:3]))
        for key, name, column in NODES
        if key in used
    )
    return Flow(nodes, bands, figures.currency)


def _band_url(source: str, target: str) -> str:
    lanes = [("view", "open"), *(("lane", lane) for lane in _LANES_OF_BAND[source, target])]
    return f"{reverse('exceptions')}?{urlencode(lanes)}"


def _flow_note(figures: FlowFigures) -> str:
    explained = "Band height is the count; the solid end is the stuck share."
    if not figures.stuck:
        return explained
    worst = max(figures.bands, key=lambda band: band.stuck_amount)
    names = {key: name for key, name, _ in NODES}
    held = short_amount(worst.stuck_amount, figures.currency)
    whole = short_amount(figures.stuck_amount, figures.currency)
    between = f"Between {names[worst.source]} and {names[worst.target]}"
    return f"{between} sits {held} of {whole}. {explained}"


def _blockers(cases: Sequence[ExceptionCase], rates: ReportingRates) -> list[Blocker]:
    """Blocking cases by cause, the largest amount first."""
    ordered = sorted(cases, key=lambda case: str(case.family_id))
    found = [
        _blocker(list(group), rates)
        for _, group in groupby(ordered, key=lambda case: case.family_id)
    ]
    return sorted(found, key=lambda blocker: -blocker.amount)[:ROWS]


def _blocker(members: Sequence[ExceptionCase], rates: ReportingRates) -> Blocker:
    first = members[0]
    entities = sorted({m.legal_entity.code for m in members if m.legal_entity})
    worths = (rates.convert(m.amount_at_risk, m.currency) or Decimal(0) for m in members)
    url = f"{reverse('exceptions')}?view=blocks_close&family={first.family_id}"
    if len(members) == 1:
        url = reverse("exception", args=[first.reference])
    return Blocker(
        first.title,
        f"{len(members)} document{'s' if len(members) > 1 else ''} · {', '.join(entities)}",
        first.severity,
        sum(worths, Decimal(0)),
        rates.currency,
        first.flow.replace("_", " ").capitalize(),
        url,
    )


def _close_note(principal: Principal, now: dt.datetime) -> str:
    """``Nov 2026 closes in 7 days`` for the period that ends next."""
    today = now.date()
    current = list_periods(principal).filter(start__lte=today, end__gt=today).first()
    if current is None:
        return ""
    days = (current.end - now.date()).days
    return f"{current.start:%b %Y} ends in {days} day{'' if days == 1 else 's'}"


def _changes(principal: Principal, since: dt.datetime) -> list[Change]:
    events = Event.objects.visible_to(principal).filter(type__in=_TOLD, occurred_at__gt=since)
    return [change_of(event) for event in events.order_by("-id")[:8]]
