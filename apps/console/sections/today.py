"""Today: what is late, where the money stands, what blocks the close, what waits for you."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from textwrap import shorten
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Abs
from django.urls import reverse
from django.utils import timezone

from apps.approvals.selectors import list_to_decide
from apps.connectors.selectors import list_connections
from apps.console.access import allowed_pages
from apps.console.presentation.amounts import approximate, short_amount
from apps.console.presentation.flow import Flow
from apps.console.presentation.words import in_words
from apps.console.sections.approvals import WaitingApproval, waiting_approvals
from apps.console.sections.case_rows import case_rows
from apps.console.sections.changes import Change, change_of
from apps.console.sections.close import NextClose, next_close
from apps.console.sections.orders import JourneyRow, journey_rows
from apps.console.sections.today_flow import flow_note, flow_picture
from apps.console.sections.today_scope import Scope
from apps.core.principal import Principal
from apps.events.models import TOLD, Event
from apps.exceptions.models import DeadLetter, Severity
from apps.exceptions.selectors import list_cases
from apps.exceptions.types import CaseFilter
from apps.monitoring.flow import flow_bands, since_last_visit
from apps.monitoring.selectors import list_overdue
from apps.monitoring.types import FlowFigures, SinceLastVisit

ROWS = 5
CHANGES = 8


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
    documents: int
    amount: Decimal
    currency: str
    gate: str
    url: str


@dataclass(frozen=True, slots=True)
class Block:
    """A list's rows, how many there are in all, and the link to all of them."""

    rows: Sequence[Any]
    count: int
    url: str = ""
    link: str = ""


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
    late: Block
    orders: Block
    blockers: Block
    close: NextClose | None
    approvals: Block
    changes: list[Change]
    since: dt.datetime

    @property
    def blocking(self) -> str:
        """``Blocking the November close``."""
        return f"Blocking the {self.close.start:%B} close" if self.close else "Blocking the close"


def today_of(
    principal: Principal, scope: Scope, *, since: dt.datetime | None, now: dt.datetime
) -> Today:
    """The page of one person. Without an earlier visit the equation starts at midnight."""
    start = since or timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    entity_id = scope.entity.pk if scope.entity else None
    figures = flow_bands(principal, now=now, entity_id=entity_id, rates=scope.rates)
    terms = since_last_visit(
        principal, since=start, now=now, entity_id=entity_id, rates=scope.rates
    )
    late, overdue = _late(principal, scope, since, now)
    orders = _late_orders(principal, scope, now)
    return Today(
        *_verdict(overdue, late.count - overdue, orders.count, principal, scope, now),
        equation=_equation(terms, scope),
        basis=_basis(figures),
        flow=flow_picture(figures, list(list_connections(principal)), str(entity_id or ""), now),
        flow_title=f"In flight: {figures.count:,} documents, {figures.stuck:,} of them stuck",
        flow_note=flow_note(figures),
        late=late,
        orders=orders,
        blockers=_blockers(principal, scope, now),
        close=next_close(principal, scope.entity_ids, now),
        approvals=_approvals(principal, scope, now),
        changes=_changes(principal, scope, terms),
        since=start,
    )


def _late(
    principal: Principal, scope: Scope, since: dt.datetime | None, now: dt.datetime
) -> tuple[Block, int]:
    """Exceptions past their deadline or near it, and how many are past it."""
    cases = list_cases(principal, CaseFilter(view="at_risk", entity_ids=scope.entity_ids), now=now)
    counts = cases.order_by().aggregate(
        all=Count("id"), overdue=Count("id", filter=Q(sla_due_at__lt=now))
    )
    rows = case_rows(cases[:ROWS], since=since, beside=False)
    block = _block(rows, counts["all"], scope.list_url("exceptions", view="at_risk"))
    return block, counts["overdue"]


def _late_orders(principal: Principal, scope: Scope, now: dt.datetime) -> Block:
    """Orders whose next step should have come."""
    entity_id = scope.entity.pk if scope.entity else None
    found = list_overdue(principal, now=now, entity_id=entity_id)
    codes = {entity.pk: entity.code for entity in scope.entities}
    rows: list[JourneyRow] = journey_rows(found[:ROWS], codes)
    return _block(rows, found.count(), scope.list_url("orders", view="late"))


def _block(rows: Sequence[Any], count: int, url: str, more: str = "") -> Block:
    return Block(rows, count, url, f"All {count:,}{more}") if count else Block(rows, 0)


def _verdict(
    overdue: int,
    soon: int,
    waiting: int,
    principal: Principal,
    scope: Scope,
    now: dt.datetime,
) -> tuple[str, str]:
    if overdue or soon or waiting:
        parts = [
            f"{overdue} past SLA" if overdue else "",
            f"{soon} due within the hour" if soon else "",
            f"{waiting} {'order' if waiting == 1 else 'orders'} behind a step" if waiting else "",
        ]
        return ", ".join(part for part in parts if part) + ".", ""
    cases = list_cases(principal, CaseFilter(entity_ids=scope.entity_ids), now=now)
    nearest = cases.first()
    if nearest is None:
        return "Nothing is late.", "Nothing is open."
    due = timezone.localtime(nearest.sla_due_at)
    return "Nothing is late.", f"The next deadline is {due:%a %H:%M}."


def _equation(figures: SinceLastVisit, scope: Scope) -> list[Term]:
    local = timezone.localtime(figures.since)
    now_text = short_amount(figures.amount_now, figures.currency)
    open_cases = scope.list_url("exceptions", view="open")
    closed = {"view": "all", "closed_since": figures.since.isoformat()}
    by_people = scope.list_url("exceptions", **closed, closed_by="people")
    by_nobody = scope.list_url("exceptions", **closed, closed_by="nobody")
    snoozed = Term(
        _signed("−", figures.snoozed), "snoozed", scope.list_url("exceptions", view="snoozed")
    )
    newest = scope.list_url("exceptions", view="open", sort="-opened")
    return [
        Term(f"{figures.before:,}", f"open {local:%a %H:%M}", open_cases),
        Term(_signed("+", figures.opened), "opened", newest),
        Term(_signed("−", figures.closed_by_people), "closed by people", by_people),
        Term(_signed("−", figures.cleared_themselves), "cleared themselves", by_nobody),
        *([snoozed] if figures.snoozed else []),
        Term(f"{figures.now:,}", f"open now, {now_text}", open_cases),
    ]


def _signed(sign: str, figure: int) -> str:
    return f"{sign}{figure:,}" if figure else "0"


def _basis(figures: FlowFigures) -> str:
    """``USD, rates of 24 Nov 2026``."""
    if figures.rate_date is None:
        return figures.currency
    return f"{figures.currency}, rates of {figures.rate_date:%-d %b %Y}"


def _blockers(principal: Principal, scope: Scope, now: dt.datetime) -> Block:
    """Blocking cases by cause, the largest amount first; summed by the database."""
    cases = list_cases(
        principal, CaseFilter(view="blocks_close", entity_ids=scope.entity_ids), now=now
    )
    groups = (
        cases.order_by("family_id")
        .values("family_id", "currency", "legal_entity__code")
        .annotate(
            cases=Count("id"), worth=Sum(Abs("amount_at_risk")), first=Min("number"),
            name=Min("title"), gate=Min("flow"), gravest=Min("rank"),
        )
    )  # fmt: skip
    by_cause = groupby(groups, key=lambda group: group["family_id"])
    found = [_blocker(list(own), scope) for _, own in by_cause]
    count = sum(blocker.documents for blocker in found)
    # Of whole units, as the rows below show them, so that these add up to it.
    held = sum((round(blocker.amount, 0) for blocker in found), Decimal(0))
    found.sort(key=lambda blocker: -blocker.amount)
    url = scope.list_url("exceptions", view="blocks_close")
    return _block(found[:ROWS], count, url, f", {approximate(held, scope.rates.currency)}")


def _blocker(groups: Sequence[dict[str, Any]], scope: Scope) -> Blocker:
    first = min(groups, key=lambda group: group["first"])
    documents = sum(group["cases"] for group in groups)
    entities = sorted({g["legal_entity__code"] for g in groups if g["legal_entity__code"]})
    worths = (scope.rates.convert(g["worth"], g["currency"]) or Decimal(0) for g in groups)
    url = reverse("exception", args=[f"EXC-{first['first']}"])
    if documents > 1:
        url = scope.list_url("exceptions", view="blocks_close", family=str(first["family_id"]))
    return Blocker(
        title=first["name"],
        note=f"{documents} document{'s' if documents > 1 else ''} · {', '.join(entities)}",
        severity=Severity.values[min(group["gravest"] for group in groups)],
        documents=documents,
        amount=sum(worths, Decimal(0)),
        currency=scope.rates.currency,
        gate=in_words(first["gate"]),
        url=url,
    )


def _approvals(principal: Principal, scope: Scope, now: dt.datetime) -> Block:
    waiting = scope.of_entity(list_to_decide(principal))
    rows: list[WaitingApproval] = waiting_approvals(waiting[:4], now)
    return _block(rows, waiting.count(), reverse("approvals"))


def _changes(principal: Principal, scope: Scope, terms: SinceLastVisit) -> list[Change]:
    """Decisions and incidents since the last visit, the newest first."""
    events = scope.of_entity(Event.objects.visible_to(principal)).filter(
        type__in=TOLD, occurred_at__gt=terms.since
    )
    # What an installation was set up with is no decision.
    events = events.exclude(type="mapping_version.active", actor_kind="system")
    told = [change_of(event) for event in events.order_by("-id")[:CHANGES]]
    told += _incidents(principal, scope, terms)
    return sorted(told, key=lambda change: change.at, reverse=True)[:CHANGES]


def _incidents(principal: Principal, scope: Scope, terms: SinceLastVisit) -> Iterable[Change]:
    """What happened many times, as one line each."""
    letters = DeadLetter.objects.visible_to(principal).filter(parked_at__gt=terms.since)
    if scope.entity:
        letters = letters.filter(legal_entity=scope.entity)
    if "dead-letters" not in allowed_pages(principal):
        letters = letters.none()
    dead = letters.order_by().aggregate(
        n=Count("id"), last=Max("parked_at"), why=Min("error_message")
    )
    lines = (
        (terms.opened_at, terms.opened, "exception", "opened",
         f"{terms.now:,} open now", scope.list_url("exceptions", view="open", sort="-opened"),
         "near"),
        (terms.cleared_at, terms.cleared_themselves, "exception", "cleared without anybody",
         "The cause went away",
         scope.list_url("exceptions", view="all", closed_since=terms.since.isoformat(),
                        closed_by="nobody"), "good"),
        (dead["last"], dead["n"], "message", "went to dead letters", dead["why"] or "",
         reverse("dead-letters"), "late"),
    )  # fmt: skip
    for at, count, noun, words, note, url, tone in lines:
        if at is not None and count:
            plural = "" if count == 1 else "s"
            yield Change(
                at,
                f"{count:,} {noun}{plural} {words}",
                shorten(note, 90, placeholder="…"),
                url,
                tone,
            )
