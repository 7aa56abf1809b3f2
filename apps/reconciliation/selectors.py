"""Reads of reconciliation."""

import datetime as dt
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Func, Q, Sum

from apps.approvals.models import Approval
from apps.canonical.models import Contract, Invoice
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.reporting import ReportingRates
from apps.mappings.models import ExternalReference
from apps.postings.models import Posting
from apps.reconciliation.models import OPEN_BREAKS, Break, Match, ReconciliationRun
from apps.reconciliation.policies import ALONE, MOVING, write_off_size
from apps.reconciliation.types import (
    BREAK_TYPES,
    SUBJECT_SIDES,
    WRITE_OFF,
    Bucket,
    Part,
    SideTotal,
    Total,
)
from apps.snapshots.models import SourceDocument
from apps.snapshots.selectors import documents_in_full
from apps.snapshots.types import DocumentView

UNEXPLAINED, MATCHED = "unexplained", "matched"


def latest_run(subject: str, principal: Principal) -> ReconciliationRun | None:
    """The last completed run of a subject that a principal may see."""
    return (
        ReconciliationRun.objects.visible_to(principal)
        .filter(subject=subject, state="completed")
        .order_by("-number")
        .first()
    )


def list_runs(principal: Principal) -> ScopedQuerySet:
    """Runs a principal may see, newest first."""
    return ReconciliationRun.objects.visible_to(principal).order_by("-number")


def totals_of_run(
    run: ReconciliationRun,
    principal: Principal,
    *,
    entity_codes: dict[uuid.UUID, str],
    entity: str = "",
    currency: str = "",
) -> list[Total]:
    """A run's totals for the entities a principal may see, narrowed to one entity or currency.

    ``entity_codes`` maps legal entity ids to codes, as the page has them at hand.
    """
    allowed = principal.entity_ids
    codes = None if allowed is None else {entity_codes[pk] for pk in allowed if pk in entity_codes}
    found = [_total(row) for row in run.totals.get("totals", [])]
    return [
        total
        for total in found
        if (codes is None or total.entity in codes)
        and entity in ("", total.entity)
        and currency in ("", total.currency)
    ]


def _total(row: dict[str, Any]) -> Total:
    return Total(
        entity=row["entity"],
        currency=row["currency"],
        sides=tuple(
            SideTotal(s["side"], Decimal(s["amount"]), int(s["count"])) for s in row["sides"]
        ),
        gaps=tuple(Decimal(gap) for gap in row["gaps"]),
        matched=int(row["matched"]),
        parts=tuple(
            Part(
                part["type"],
                BREAK_TYPES.get(part["type"], part["type"]),
                part["state"],
                int(part["count"]),
                tuple(Decimal(gap) for gap in part["gaps"]),
            )
            for part in row["parts"]
        ),
    )


def list_breaks(
    principal: Principal,
    subject: str,
    *,
    bucket: str = "",
    entity_id: uuid.UUID | None = None,
    currency: str = "",
) -> ScopedQuerySet:
    """Standing breaks, largest variance first; ``bucket`` is unexplained or a break type."""
    found = Break.objects.visible_to(principal).filter(subject=subject, state__in=OPEN_BREAKS)
    found = _narrow(found, entity_id, currency)
    if bucket == UNEXPLAINED:
        found = found.filter(state="open")
    elif bucket:
        found = found.filter(type=bucket)
    size = Func(F("variance"), function="abs")
    return found.select_related("legal_entity").order_by(size.desc(), "match_key")


def list_matches(
    principal: Principal,
    subject: str,
    *,
    entity_id: uuid.UUID | None = None,
    currency: str = "",
) -> ScopedQuerySet:
    """Standing matches by key."""
    found = Match.objects.visible_to(principal).filter(subject=subject, state="confirmed")
    return _narrow(found, entity_id, currency).order_by("match_key")


def _narrow(found: ScopedQuerySet, entity_id: uuid.UUID | None, currency: str) -> ScopedQuerySet:
    if entity_id is not None:
        found = found.filter(legal_entity_id=entity_id)
    return found.filter(currency=currency) if currency else found


def list_buckets(
    principal: Principal,
    subject: str,
    *,
    entity_id: uuid.UUID | None = None,
    currency: str = "",
) -> list[Bucket]:
    """Tabs with counts and money: unexplained, each break type present, matched. Two queries."""
    found = Break.objects.visible_to(principal).filter(subject=subject, state__in=OPEN_BREAKS)
    rows = list(
        _narrow(found, entity_id, currency)
        .values("type", "currency")
        .annotate(
            n=Count("id"),
            amount=Sum(Func(F("variance"), function="abs")),
            open_n=Count("id", filter=Q(state="open")),
            open_amount=Sum(Func(F("variance"), function="abs"), filter=Q(state="open")),
        )
        .order_by("type", "currency")
    )
    buckets = [_bucket(UNEXPLAINED, "Unexplained", rows, "open_n", "open_amount")]
    for type_, label in BREAK_TYPES.items():
        same = [row for row in rows if row["type"] == type_]
        if same:
            buckets.append(_bucket(type_, label, same, "n", "amount"))
    matches = list_matches(principal, subject, entity_id=entity_id, currency=currency)
    return [*buckets, Bucket(MATCHED, "Matched", matches.count())]


def _bucket(
    key: str, label: str, rows: Iterable[dict[str, Any]], count: str, amount: str
) -> Bucket:
    sums: dict[str, Decimal] = {}
    total = 0
    for row in rows:
        total += row[count]
        if row[count]:
            sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + row[amount]
    return Bucket(key, label, total, tuple(sorted(sums.items())))


def count_open_breaks(principal: Principal) -> int:
    """Breaks that nothing explains, for the navigation."""
    return Break.objects.visible_to(principal).filter(state="open").count()


def why_not_write_off(found: Break) -> str:
    """Why a break cannot be written off, empty when it can: work in flight makes it go away."""
    if found.state not in OPEN_BREAKS:
        return f"BRK-{found.number} is already {found.state.replace('_', ' ')}."
    moving = found.posting_id is not None and (
        Posting.objects.filter(id=found.posting_id, state__in=MOVING).exists()
    )
    if found.type != "timing" and not moving:
        return ""
    why = found.explanation.rstrip(".")
    return f"{why}. This difference passes by itself, so there is nothing to write off."


def must_be_approved(found: Break, today: dt.date) -> bool:
    """Whether a second person must agree: more than one may accept alone, or worth nobody knows
    what, as its currency has no rate."""
    compared = [getattr(found, f"{side}_amount") for side in SUBJECT_SIDES[found.subject]]
    size = write_off_size(found.type, found.variance, compared)
    worth = ReportingRates(today).convert(size, found.currency)
    return worth is None or worth > ALONE


def request_of_break(found: Break) -> Approval | None:
    """The request to write a break off that waits for a second person."""
    waiting = Approval.objects.filter(kind=WRITE_OFF, subject_id=found.id, state="requested")
    return waiting.first()


def documents_of_break(found: Break, principal: Principal) -> list[DocumentView]:
    """The documents of a break side by side, with lines; CPQ's contract stands beside an invoice
    for reading, though it is not compared there."""
    ids = [i for side in found.document_ids.values() for i in side]
    wanted = Q(id__in=ids)
    if found.subject == "invoice":
        wanted |= _contract_document(found.match_key)
    documents = SourceDocument.objects.visible_to(principal).filter(wanted)
    order = {"cpq": 0, "billing": 1, "erp": 2}
    return sorted(documents_in_full(documents), key=lambda d: (order.get(d.side, 3), d.number))


def _contract_document(invoice_number: str) -> Q:
    contract = Contract.objects.filter(
        id__in=Invoice.objects.filter(number=invoice_number).values("contract_id")
    ).first()
    if contract is None:
        return Q(pk__in=[])
    known = ExternalReference.objects.filter(record_id=contract.id).values("external_id")
    is_contract = Q(side="cpq", document_type="contract")
    return is_contract & (Q(match_key=contract.number) | Q(external_id__in=known))
