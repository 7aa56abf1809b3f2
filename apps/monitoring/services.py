"""Journeys are projections: whatever happened, they are built anew from the rows that tell it.

So the order of events does not matter, and a rebuild of everything heals any of them.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from apps.canonical.models import Order
from apps.core.jobs import enqueue_on_commit
from apps.monitoring.gather import gather
from apps.monitoring.models import Journey, JourneyChange, JourneyItem, ReferenceIndex
from apps.monitoring.projection import project_items, project_journey
from apps.monitoring.references import project_references

Row = TypeVar("Row", bound=Model)
GAP = 1.0  # seconds: a journey changes some forty times while its order is set up
AT_ONCE = 100
CHANGES_AT_ONCE = 2000
_KEPT = {"id", "opened_at"}
JOURNEY_FIELDS = [f.name for f in Journey._meta.concrete_fields if f.name not in _KEPT]
ITEM_KEY = ["journey_id", "kind", "key"]
ITEM_FIELDS = [
    "lane", "generation", "title", "note", "state", "amount", "currency", "at", "due_at",
    "subject_type", "subject_id",
]  # fmt: skip
REFERENCE_KEY = ["kind", "value", "object_id"]
REFERENCE_FIELDS = ["object_type", "journey_id", "legal_entity_id", "label"]


def rebuild_journeys(journey_ids: Iterable[uuid.UUID], *, now: dt.datetime) -> int:
    """Bring journeys, their items and their references up to date. Returns how many there are.

    A journey of which nothing is left goes.
    """
    ids = sorted(set(journey_ids))
    return sum(
        _rebuild(ids[start : start + AT_ONCE], now) for start in range(0, len(ids), AT_ONCE)
    )


def note_changes(journey_ids: Iterable[uuid.UUID]) -> None:
    """Say that these journeys are out of date, in the caller's transaction.

    The dispatcher of events must not wait for journeys to be built; a worker builds them, once
    for all the changes that came meanwhile.
    """
    marks = [JourneyChange(journey_id=pk) for pk in sorted(set(journey_ids))]
    if marks:
        JourneyChange.objects.bulk_create(marks)
        enqueue_on_commit("monitoring.rebuild", gap=GAP)


def note_customer_changes(customer_ids: Sequence[uuid.UUID]) -> None:
    """Say that the journeys of customers are out of date: a name or number changed."""
    orders = Order.objects.filter(customer_id__in=customer_ids)
    note_changes(pk for pk in orders.values_list("journey_id", flat=True) if pk is not None)


@transaction.atomic
def rebuild_changed(*, now: dt.datetime) -> int:
    """Build the journeys that changed; returns how many changes were taken up. What changes
    meanwhile is built a moment later, with what else has changed by then.

    One worker at a time: two could read at different moments and write in the wrong order.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('q2c.journeys'))")
        if not cursor.fetchone()[0]:
            return 0
    marks = dict(
        JourneyChange.objects.order_by("id").values_list("id", "journey_id")[:CHANGES_AT_ONCE]
    )
    rebuild_journeys(marks.values(), now=now)
    JourneyChange.objects.filter(id__in=list(marks)).delete()
    if marks:  # some may have come while another worker was told that this one is at it
        enqueue_on_commit("monitoring.rebuild", gap=GAP)
    return len(marks)


@transaction.atomic
def _rebuild(ids: Sequence[uuid.UUID], now: dt.datetime) -> int:
    gathered = gather(ids)
    living = [facts for facts in gathered.journeys.values() if not facts.is_empty()]
    revs = dict(Journey.objects.filter(id__in=ids).values_list("id", "rev"))
    journeys, items, references = [], [], []
    for facts in living:
        own = project_items(facts, gathered.connections)
        journey = project_journey(facts, own, now)
        journey.rev = revs.get(journey.id, 0) + 1
        journeys.append(journey)
        items += own
        references += project_references(facts, gathered.connections, journey.legal_entity_id)
    Journey.objects.filter(id__in=set(ids) - {j.id for j in journeys}).delete()
    Journey.objects.bulk_create(
        journeys, update_conflicts=True, unique_fields=["id"], update_fields=JOURNEY_FIELDS
    )
    _write_items(ids, items)
    _write_references(ids, references)
    return len(journeys)


def _write_items(ids: Sequence[uuid.UUID], items: Sequence[JourneyItem]) -> None:
    standing = JourneyItem.objects.filter(journey_id__in=ids)
    stale, changed = _compared(standing, items, key=ITEM_KEY, fields=ITEM_FIELDS)
    JourneyItem.objects.filter(id__in=stale).delete()
    JourneyItem.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["journey", "kind", "key"],
        update_fields=[*ITEM_FIELDS, "updated_at"],
        batch_size=1000,
    )


def _write_references(ids: Sequence[uuid.UUID], references: Sequence[ReferenceIndex]) -> None:
    """Cases come and go; what was once found by an id stays findable by it while it is one of
    the journey's."""
    wanted = {(r.kind, r.value, r.object_id): r for r in references}.values()
    standing = ReferenceIndex.objects.filter(journey_id__in=ids)
    stale, changed = _compared(standing, list(wanted), key=REFERENCE_KEY, fields=REFERENCE_FIELDS)
    ReferenceIndex.objects.filter(id__in=stale).delete()
    ReferenceIndex.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=REFERENCE_KEY,
        update_fields=REFERENCE_FIELDS,
        batch_size=1000,
    )


def _compared(
    standing: QuerySet[Row], wanted: Sequence[Row], *, key: Sequence[str], fields: Sequence[str]
) -> tuple[list[Any], list[Row]]:
    """Ids of the rows that nobody wants, and what differs from what stands: most of a journey
    does not change, and a write costs many times a look."""
    known = {row[1 : len(key) + 1]: row for row in standing.values_list("id", *key, *fields)}
    changed = []
    for row in wanted:
        of_row = tuple(getattr(row, name) for name in (*key, *fields))
        if known.pop(of_row[: len(key)], ())[1:] != of_row:
            changed.append(row)
    return [row[0] for row in known.values()], changed
