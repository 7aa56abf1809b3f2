"""The items of a batch: sent again in small sets, settled when their outcome is known."""

import datetime as dt
import logging
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from apps.core.failpoints import failpoint
from apps.core.fsm import transition_set
from apps.core.halving import DATABASE_FAULTS, in_halves
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.jobs.models import Batch, BatchItem
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.services.records import HELD, Tried, record
from apps.resolutions.services.retry import refusal, retry_cases, standstill
from apps.resolutions.types import RETRY
from apps.workflows.errors import RunActionError

logger = logging.getLogger(__name__)

SET_SIZE = 20
NOT_WAITING = "It was not waiting any more."
Outcome = BatchItem.Outcome


def run_batch(batch_id: uuid.UUID, *, now: dt.datetime) -> bool:
    """Work the next set of a running batch; True while items are left to be sent. A set that
    fails is halved; the item at fault fails with its reason and stops no other."""
    batch = Batch.objects.filter(id=batch_id, state="running").first()
    if batch is None:
        return False
    actor = requester_of(batch)
    with acting(actor):
        items = list(unsent_items(batch).select_for_update(skip_locked=True)[:SET_SIZE])
        if items:
            in_halves(items, partial(_work, actor=actor, now=now), partial(_fail, now=now))
        count_items([batch.id], now)
    failpoint("batch.between_items")
    return bool(items)


def unsent_items(batch: Batch) -> QuerySet[BatchItem]:
    """Items that were neither sent nor settled, in order."""
    sent = Resolution.objects.filter(batch_item_id=OuterRef("id"))
    pending = batch.items.filter(outcome=Outcome.PENDING).exclude(Exists(sent))
    return pending.order_by("position")


@transaction.atomic
def _work(items: Sequence[BatchItem], *, actor: Actor, now: dt.datetime) -> None:
    """Send a set again: each item alone is checked, all that can go are sent together."""
    cases = _cases_of(items)
    refused = {
        item.id: refusal(cases[item.id]) if item.id in cases else "Its case is closed already."
        for item in items
    }
    going = [item for item in items if not refused[item.id]]
    moved = retry_cases([cases[item.id] for item in going], actor=actor, now=now)
    sent = {cases[item.id].id: item.id for item in going if cases[item.id].id in moved}
    started = [cases[item.id] for item in going if cases[item.id].id in moved]
    record(started, Tried(RETRY, items=sent), actor=actor, now=now)
    for item in items:
        if item.id in sent.values():
            item.detail = "Sent again; the outcome is awaited."
            continue
        item.outcome, item.settled_at = Outcome.SKIPPED, now
        item.detail = refused[item.id] or standstill(cases[item.id]) or NOT_WAITING
    BatchItem.objects.bulk_update(items, ["outcome", "detail", "settled_at"])


def _fail(item: BatchItem, error: Exception, *, now: dt.datetime) -> None:
    """What a person would have been told of the remedy, else the error of our own code."""
    if isinstance(error, DATABASE_FAULTS):
        raise error
    logger.error("item %s of batch %s failed", item.position, item.batch_id, exc_info=error)
    told = isinstance(error, RemedyError | RunActionError)
    item.outcome, item.settled_at = Outcome.FAILED, now
    item.detail = (
        str(error) if told else f"The hub failed on it ({type(error).__name__}: {error})."
    )
    item.save(update_fields=["outcome", "detail", "settled_at"])


def _cases_of(items: Sequence[BatchItem]) -> dict[int, ExceptionCase]:
    """The open case of each item: its target, or the case of the dead letter it names."""
    targets = [item.target_id for item in items]
    letters = dict(DeadLetter.objects.filter(id__in=targets).values_list("id", "case_id"))
    wanted = {item.id: letters.get(item.target_id, item.target_id) for item in items}
    cases = {c.id: c for c in ExceptionCase.objects.filter(id__in=wanted.values())}
    return {
        item_id: cases[case_id]
        for item_id, case_id in wanted.items()
        if case_id in cases and cases[case_id].is_open
    }


def settle_items(rows: Sequence[Resolution], *, now: dt.datetime) -> None:
    """Outcomes of remedies that a batch started; a batch whose items are all settled finishes."""
    outcomes = {row.batch_item_id: row for row in rows if row.batch_item_id is not None}
    if not outcomes:
        return
    items = list(
        BatchItem.objects.select_for_update()
        .filter(id__in=list(outcomes), outcome=Outcome.PENDING)
        .order_by("id")
    )
    for item in items:
        row = outcomes[item.id]
        item.outcome = Outcome.SUCCEEDED if row.outcome == HELD else Outcome.FAILED
        item.detail, item.settled_at = row.outcome_note, now
    BatchItem.objects.bulk_update(items, ["outcome", "detail", "settled_at"])
    count_items(sorted({item.batch_id for item in items}), now)


def count_items(batch_ids: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Bring the counts of batches up to date and finish those without anything pending."""
    counts = {
        outcome: Count("items", filter=Q(items__outcome=outcome))
        for outcome in ("pending", "succeeded", "failed", "skipped")
    }
    for batch in Batch.objects.filter(id__in=batch_ids).annotate(
        **{f"n_{name}": count for name, count in counts.items()}
    ):
        found = (batch.n_succeeded, batch.n_failed, batch.n_skipped)
        if found != (batch.succeeded, batch.failed, batch.skipped):
            batch.succeeded, batch.failed, batch.skipped = found
            Batch.objects.filter(id=batch.id).update(
                succeeded=found[0], failed=found[1], skipped=found[2]
            )
        if batch.n_pending == 0 and batch.state == "running":
            move_batch(batch.id, "finish", "finished", None, now, finished_at=now)


def batch_event(batch: Batch, what: str) -> NewEvent:
    return NewEvent(
        type=f"batch.{what}",
        aggregate_type="batch",
        aggregate_id=batch.id,
        legal_entity_id=batch.legal_entity_id,
        data={"number": batch.number, "title": batch.title, "total": batch.total,
              "succeeded": batch.succeeded, "failed": batch.failed, "skipped": batch.skipped},
    )  # fmt: skip


def requester_of(batch: Batch) -> Actor:
    """The person or program that asked for a batch."""
    kind = str(batch.params.get("actor_kind", "user"))
    return Actor(kind, str(batch.requested_by_id), batch.requested_by_label)


def move_batch(
    batch_id: uuid.UUID,
    move: str,
    told: str,
    actor: Actor | None,
    now: dt.datetime,
    **values: Any,
) -> bool:
    """Move a batch through a transition and tell of it; as its requester when nobody acts."""
    batch = Batch.objects.get(id=batch_id)
    by = actor or requester_of(batch)
    with acting(by):
        moved = transition_set(Batch, move, [batch_id], **values)
        changed = list(Batch.objects.filter(id__in=moved))
        publish_events([batch_event(b, told) for b in changed], actor=by, now=now)
    return bool(moved)


def running_batches() -> list[uuid.UUID]:
    """Batches that still have items to send."""
    return list(Batch.objects.filter(state="running").values_list("id", flat=True))
