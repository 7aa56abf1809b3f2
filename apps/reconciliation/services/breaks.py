"""Breaks: one open row for each key on which the sides differ, kept up to date by every run."""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.approvals.services import make_stale
from apps.core.fsm import transition_set
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.reconciliation.models import OPEN_BREAKS, Break, ReconciliationRun
from apps.reconciliation.services.cases import BREAK_SUBJECT, RECONCILER, close_break_cases

UPDATED = (
    "last_run", "legal_entity", "customer", "type", "cpq_amount", "billing_amount",
    "erp_amount", "variance", "document_ids", "updated_at",
)  # fmt: skip

Key = tuple[str, str]


def keep_breaks(
    run: ReconciliationRun, found: Sequence[Mapping[str, Any]], *, now: dt.datetime
) -> None:
    """Open breaks for new differences, bring open ones up to date, correct those that are gone.

    ``found`` are the rows of the comparison. A difference that was written off at the same
    amounts stays written off.
    """
    rows = {(row["key"], row["currency"]): row for row in found}
    standing = {
        (b.match_key, b.currency): b
        for b in Break.objects.filter(subject=run.subject, state__in=OPEN_BREAKS)
    }
    settled = _written_off(run.subject, rows)
    _void_requests([b for key, b in standing.items() if _is_another(b, rows.get(key))], now)
    fresh = [k for k in rows if k not in standing and settled.get(k) != _amounts(rows[k])]
    _open([_filled(Break(), run, rows[key], now) for key in fresh], now)
    Break.objects.bulk_update(
        [_filled(standing[key], run, rows[key], now) for key in rows if key in standing],
        UPDATED,
        batch_size=500,
    )
    _correct([b for key, b in standing.items() if key not in rows], run, now)


def _written_off(subject: str, keys: Iterable[Key]) -> dict[Key, tuple[Decimal | None, ...]]:
    return {
        (b.match_key, b.currency): _amounts_of(b)
        for b in Break.objects.filter(
            subject=subject, state="written_off", match_key__in=[key for key, _ in keys]
        ).order_by("number")
    }


def _is_another(found: Break, row: Mapping[str, Any] | None) -> bool:
    """Whether a standing break is gone, or of other amounts than before."""
    return row is None or _amounts_of(found) != _amounts(row)


def _void_requests(breaks: Sequence[Break], now: dt.datetime) -> None:
    """What a second person was asked to write off is not there any more as it was shown."""
    if breaks:
        make_stale([(BREAK_SUBJECT, b.id) for b in breaks], actor=RECONCILER, now=now)


def _amounts_of(found: Break) -> tuple[Decimal | None, ...]:
    return (found.cpq_amount, found.billing_amount, found.erp_amount)


def _amounts(row: Mapping[str, Any]) -> tuple[Decimal | None, ...]:
    return (row["cpq"], row["billing"], row["erp"])


def _filled(
    found: Break, run: ReconciliationRun, row: Mapping[str, Any], now: dt.datetime
) -> Break:
    if found._state.adding:
        found.first_run, found.opened_at, found.unexplained_at = run, now, now
        found.subject, found.match_key, found.currency = run.subject, row["key"], row["currency"]
    found.last_run, found.updated_at = run, now
    found.legal_entity_id, found.customer = row["entity"], row["customer"] or ""
    found.type = row["type"]
    found.cpq_amount, found.billing_amount, found.erp_amount = _amounts(row)
    found.variance = variance_of(run.subject, row)
    documents = row["documents"]
    found.document_ids = json.loads(documents) if isinstance(documents, str) else documents
    return found


def variance_of(subject: str, row: Mapping[str, Any]) -> Decimal:
    """The first difference between neighbouring sides, upstream minus downstream, in major units.

    Where the amounts agree and only the tax differs, the difference of the tax.
    """
    cpq, billing, erp = (row[side] or Decimal(0) for side in ("cpq", "billing", "erp"))
    gaps = [cpq - billing] if subject == "contract" else []
    gaps += [billing - erp, row["tax_gap"]]
    return next((gap for gap in gaps if gap), Decimal(0))


def _open(breaks: Sequence[Break], now: dt.datetime) -> None:
    Break.objects.bulk_create(breaks, batch_size=500)
    publish_events([break_event(b, "opened") for b in breaks], actor=RECONCILER, now=now)


def _correct(breaks: Sequence[Break], run: ReconciliationRun, now: dt.datetime) -> None:
    reason = f"The sides agree since run {run.number}"
    ids = [b.id for b in breaks]
    transition_set(Break, "correct", ids, closed_at=now, closed_reason=reason, last_run=run.id)
    publish_events([break_event(b, "corrected") for b in breaks], actor=RECONCILER, now=now)
    close_break_cases(ids, reason=reason, actor=RECONCILER, now=now)


def break_event(found: Break, what: str, **more: str) -> NewEvent:
    """``break.<what>`` with its key and amounts, and what else there is to say."""
    return NewEvent(
        type=f"break.{what}",
        aggregate_type="break",
        aggregate_id=found.id,
        legal_entity_id=found.legal_entity_id,
        journey_id=found.journey_id,
        data={
            "number": found.number,
            "subject": found.subject,
            "key": found.match_key,
            "type": found.type,
            "variance": found.variance,
            "currency": found.currency,
            "explanation": found.explanation,
            **more,
        },
    )


def assign_breaks(
    ids: Sequence[uuid.UUID],
    *,
    owner_id: uuid.UUID | None,
    owner_label: str,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Give open breaks to a person, or to nobody. Returns how many changed hands."""
    with acting(actor):
        breaks = list(Break.objects.select_for_update().filter(id__in=ids, state__in=OPEN_BREAKS))
        for found in breaks:
            found.owner_id, found.owner_label, found.updated_at = owner_id, owner_label, now
        Break.objects.bulk_update(breaks, ["owner_id", "owner_label", "updated_at"])
        publish_events([break_event(b, "assigned") for b in breaks], actor=actor, now=now)
    return len(breaks)
