"""Bulk retry and redrive: frozen ids, worked in small sets, an outcome for each item.

An item that was sent again is settled when its case closes or fails once more, so that a batch
counts what came true and not what was asked for.
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

from apps.core.errors import StaleWriteError
from apps.core.fsm import transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Principal
from apps.events.services import acting, publish_events
from apps.exceptions.selectors import cases_by_id, list_dead_letters
from apps.jobs.models import Batch, BatchItem
from apps.resolutions.errors import RemedyError
from apps.resolutions.services.batch_items import (
    Outcome,
    batch_event,
    count_items,
    move_batch,
    unsent_items,
)
from apps.users.policies import require

LARGEST = 5000
CASE, LETTER = "exceptions.case", "exceptions.dead_letter"
PERMISSION = {Batch.Kind.RETRY: "case.retry", Batch.Kind.REDRIVE: "dead_letter.redrive"}


def start_batch(
    ids: Sequence[uuid.UUID],
    kind: str,
    *,
    principal: Principal,
    idempotency_key: str,
    expected_count: int,
    now: dt.datetime,
) -> Batch:
    """Freeze cases (``retry``) or dead letters (``redrive``) and work through them.

    The same key gives the batch that it started before. Raises ``NotAllowedError``,
    ``RemedyError`` for nothing or too much, ``StaleWriteError`` when fewer can be retried than
    the person was shown.
    """
    require(principal, PERMISSION[Batch.Kind(kind)])
    standing: Batch | None = Batch.objects.filter(idempotency_key=idempotency_key).first()
    if standing is not None:
        return standing
    with acting(principal.actor):
        items = _frozen(ids, kind, principal)
        _check_count(len(items), expected_count)
        batch = _batch(items, kind, idempotency_key, principal)
        batch.save(force_insert=True)
        for place, item in enumerate(items):
            item.batch, item.position = batch, place
        BatchItem.objects.bulk_create(items)
        transition_set(Batch, "start", [batch.id], started_at=now)
        stored = Batch.objects.get(id=batch.id)
        publish_events([batch_event(stored, "started")], actor=principal.actor, now=now)
        enqueue_on_commit("resolutions.run_batch", str(batch.id))
    return stored


def _check_count(found: int, expected: int) -> None:
    if not found:
        raise RemedyError("None of the chosen rows can be tried again any more.")
    if found > LARGEST:
        raise RemedyError(f"Choose at most {LARGEST} rows for one batch.")
    if found != expected:
        raise StaleWriteError(
            f"{found} of the {expected} chosen rows can be tried now. Look at the list again."
        )


def _frozen(ids: Sequence[uuid.UUID], kind: str, principal: Principal) -> list[BatchItem]:
    if kind == Batch.Kind.RETRY:
        cases = sorted(cases_by_id(principal, ids).values(), key=lambda case: case.number)
        return [
            _item(CASE, case.id, case.legal_entity_id, case.reference)
            for case in cases
            if case.is_open
        ]
    letters = list_dead_letters(principal, "parked").filter(id__in=ids).order_by("number")
    return [_item(LETTER, d.id, d.legal_entity_id, d.code) for d in letters]


def _item(kind: str, target_id: uuid.UUID, entity_id: uuid.UUID | None, label: str) -> BatchItem:
    return BatchItem(target_type=kind, target_id=target_id, legal_entity_id=entity_id, label=label)


def _batch(items: Sequence[BatchItem], kind: str, key: str, principal: Principal) -> Batch:
    entities = {item.legal_entity_id for item in items}
    frozen = "\n".join(str(item.target_id) for item in items)
    noun = "exceptions" if kind == Batch.Kind.RETRY else "dead letters"
    return Batch(
        kind=kind,
        title=f"{'Retry' if kind == Batch.Kind.RETRY else 'Redrive'} {len(items)} {noun}",
        legal_entity_id=entities.pop() if len(entities) == 1 else None,
        idempotency_key=key,
        frozen_hash=hashlib.sha256(frozen.encode()).hexdigest(),
        requested_by_id=uuid.UUID(principal.actor.id),
        requested_by_label=principal.actor.label,
        total=len(items),
        params={"actor_kind": principal.actor.kind},
    )


def pause_batch(batch_id: uuid.UUID, *, principal: Principal, now: dt.datetime) -> bool:
    """Send nothing more for now; what was sent goes on. False when it was not running."""
    return _steer(batch_id, "pause", "paused", principal, now)


def resume_batch(batch_id: uuid.UUID, *, principal: Principal, now: dt.datetime) -> bool:
    """Go on with a paused batch. False when it was not paused."""
    with acting(principal.actor):
        moved = _steer(batch_id, "start", "resumed", principal, now)
        if moved:
            enqueue_on_commit("resolutions.run_batch", str(batch_id))
    return moved


def cancel_batch(batch_id: uuid.UUID, *, principal: Principal, now: dt.datetime) -> bool:
    """Leave the rest undone; items that were not sent are skipped. False when it was over."""
    with acting(principal.actor):
        batch = Batch.objects.visible_to(principal).select_for_update().get(id=batch_id)
        moved = _steer(batch_id, "cancel", "cancelled", principal, now, finished_at=now)
        if moved:
            rest = list(unsent_items(batch))
            for item in rest:
                item.outcome, item.detail, item.settled_at = Outcome.SKIPPED, "Cancelled.", now
            BatchItem.objects.bulk_update(rest, ["outcome", "detail", "settled_at"])
            count_items([batch_id], now)
    return moved


def _steer(
    batch_id: uuid.UUID,
    move: str,
    told: str,
    principal: Principal,
    now: dt.datetime,
    **values: Any,
) -> bool:
    batch = Batch.objects.visible_to(principal).get(id=batch_id)
    require(principal, PERMISSION[Batch.Kind(batch.kind)])
    return move_batch(batch_id, move, told, principal.actor, now, **values)
