"""The record of what was tried: made with the remedy, settled when its outcome is known."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.codec import to_json
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import ExceptionCase
from apps.resolutions.models import Resolution

STARTED, PROPOSED, HELD, FAILED = "started", "proposed", "held", "failed"
UNSETTLED = (STARTED, PROPOSED)


@dataclass(frozen=True, slots=True)
class Tried:
    """A remedy as it is noted: ``approval_id`` when a second person must approve it first,
    ``items`` the batch items of cases that a batch works."""

    remedy: str
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    approval_id: uuid.UUID | None = None
    items: Mapping[uuid.UUID, int] = field(default_factory=dict)


def record(
    cases: Sequence[ExceptionCase], tried: Tried, *, actor: Actor, now: dt.datetime
) -> list[Resolution]:
    """Note a remedy on cases, inside the caller's transaction."""
    rows = [
        Resolution(
            case_id=case.id,
            legal_entity_id=case.legal_entity_id,
            remedy=tried.remedy,
            params=to_json(dict(tried.params)),
            reason=tried.reason.strip(),
            actor_id=actor.id,
            actor_label=actor.label,
            approval_id=tried.approval_id,
            outcome=PROPOSED if tried.approval_id else STARTED,
            batch_item_id=tried.items.get(case.id),
        )
        for case in cases
    ]
    Resolution.objects.bulk_create(rows)
    told = zip(rows, cases, strict=True)
    publish_events([_event(row, case) for row, case in told], actor=actor, now=now)
    return rows


def _event(row: Resolution, case: ExceptionCase) -> NewEvent:
    return NewEvent(
        type=f"resolution.{row.outcome}",
        aggregate_type="exception_case",
        aggregate_id=case.id,
        aggregate_version=case.rev,
        legal_entity_id=case.legal_entity_id,
        journey_id=case.journey_id,
        data={"number": case.number, "remedy": row.remedy, "reason": row.reason},
    )


def settle(
    case_id: uuid.UUID, outcome: str, note: str, *, before_rev: int, now: dt.datetime
) -> list[Resolution]:
    """Say what became of the remedies that were under way on a case before it reached a
    revision; one that was tried since is not touched. Returns those settled."""
    rows = list(
        Resolution.objects.select_for_update().filter(
            case_id=case_id, case_rev__lt=before_rev, outcome__in=UNSETTLED
        )
    )
    for row in rows:
        row.outcome, row.outcome_note, row.settled_at = outcome, note[:2000], now
    Resolution.objects.bulk_update(rows, ["outcome", "outcome_note", "settled_at"])
    return rows
