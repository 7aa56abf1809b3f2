"""Writing events in the transaction of the change, and handing them to subscribers."""

import datetime as dt
import hashlib
import logging
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.core.codec import dumps
from apps.core.failpoints import failpoint
from apps.core.halving import DATABASE_FAULTS
from apps.core.ids import uuid7
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor, system_actor
from apps.core.rows import Statement, insert_statement, run_together
from apps.events.models import Cursor, Event, Seal, SetAside
from apps.events.registry import Subscriber, all_subscribers
from apps.events.selectors import (
    events_after,
    find_readers,
    settled_before,
    unsealed_events,
)
from apps.events.types import NewEvent

logger = logging.getLogger(__name__)

DISPATCHER = system_actor("events.dispatcher")

PAGE = 500
MOST_FAILURES = 5  # of one event, before the others go on without it
FIRST_REST = dt.timedelta(seconds=1)  # then 2 s, 4 s …: what passes by itself asks nobody
GENESIS = "0" * 64


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """A transaction whose state changes the database logs under this actor."""
    with transaction.atomic():
        [[(before, _)]] = run_together([actor_statement(actor)])
        yield
        if before:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('q2c.actor', %s, true)", [before])


def actor_statement(actor: Actor) -> Statement:
    """What signs the state changes of the present transaction; returns who signed before."""
    return (
        "SELECT before, set_config('q2c.actor', %s, true) "
        "FROM (SELECT current_setting('q2c.actor', true) AS before OFFSET 0) AS actor",
        [actor.text],
    )


def publish_events(events: Sequence[NewEvent], *, actor: Actor, now: dt.datetime) -> None:
    """Write events in the caller's transaction and ring the dispatcher once it commits."""
    run_together(event_statements(events, actor=actor, now=now))


def event_statements(
    events: Sequence[NewEvent], *, actor: Actor, now: dt.datetime
) -> list[Statement]:
    """What writes events, to be run together with the change they tell of."""
    if not events:
        return []
    enqueue_on_commit("events.dispatch")
    columns: dict[str, list[Any]] = {
        "event_id": [uuid7() for _ in events],
        "type": [event.type for event in events],
        "aggregate_type": [event.aggregate_type for event in events],
        "aggregate_id": [event.aggregate_id for event in events],
        "aggregate_version": [event.aggregate_version for event in events],
        "legal_entity_id": [event.legal_entity_id for event in events],
        "journey_id": [event.journey_id for event in events],
        "data": [event.data for event in events],
    }
    common = {
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_label": actor.label,
        "occurred_at": now,
    }
    return [insert_statement(Event, columns, common=common)]


def dispatch_events(*, now: dt.datetime) -> int:
    """Give every subscriber the events it has not read. Returns how many were handled.

    Most subscribers want none of what is new: one statement finds out who does, another one moves
    the others on.
    """
    subscribers = {subscriber.name: subscriber for subscriber in all_subscribers()}
    found = find_readers({name: s.types for name, s in subscribers.items()})
    if found.new:
        Cursor.objects.bulk_create([Cursor(name=n) for n in found.new], ignore_conflicts=True)
    _pass_over(subscribers.keys() - found.wanting, found.horizon, now)
    return sum(_catch_up(subscribers[name], now) for name in sorted(found.wanting))


def _pass_over(names: Collection[str], horizon: int, now: dt.datetime) -> None:
    """Move cursors to the horizon that have nothing to read before it; those in use are left."""
    behind = Cursor.objects.select_for_update(skip_locked=True).filter(
        name__in=names, xid__lt=horizon
    )
    with transaction.atomic():
        Cursor.objects.filter(name__in=behind.values("name")).update(
            xid=horizon, last_id=0, moved_at=now, failures=0, last_error="", retry_at=None
        )


def _catch_up(subscriber: Subscriber, now: dt.datetime) -> int:
    """All pages of one subscriber. One that fails is halved until the event at fault stands
    alone; that one rests and is tried again, and is set aside at the fifth failure."""
    handled, size, more = 0, PAGE, True
    while more:
        page: list[Event] = []
        try:
            more = _hand_over(subscriber, size, page, now)
        except DATABASE_FAULTS:  # no event's fault: read again at the next bell
            logger.exception("subscriber %s was not served", subscriber.name)
            return handled
        except Exception as error:  # one subscriber's fault must not stop the others
            logger.exception("subscriber %s failed on %s events", subscriber.name, len(page))
            size = len(page) // 2
            more = size > 0 or (bool(page) and _is_passed(subscriber.name, page[0], error))
        else:
            handled += len(page)
            size *= 2
        size = min(PAGE, max(1, size))
    return handled


def _hand_over(subscriber: Subscriber, size: int, page: list[Event], now: dt.datetime) -> bool:
    """The next events of one subscriber, read into ``page``, with its cursor in one transaction.
    Whether there may be more."""
    with transaction.atomic():
        cursor = _take(subscriber.name)
        if cursor is None:
            return False
        size = 1 if cursor.failures else size
        horizon = settled_before()
        page += events_after(cursor.xid, cursor.last_id, subscriber.types, horizon, size)
        if page:
            subscriber.handle(page, now)
        is_full = len(page) == size
        _move(cursor, page if is_full else (), horizon, now)
        failpoint("dispatch.after_handle_before_commit")
    return is_full


def _take(name: str) -> Cursor | None:
    """A subscriber's cursor, locked; None when another worker reads for it now, or it rests."""
    free = Cursor.objects.select_for_update(skip_locked=True).exclude(retry_at__gt=Now())
    return free.filter(name=name).first()


def _move(cursor: Cursor, page: Sequence[Event], horizon: int, now: dt.datetime) -> None:
    """Move a cursor to the end of a full page. After any other, what else is settled is of types
    that this subscriber does not read."""
    cursor.xid, cursor.last_id = (int(page[-1].xid), page[-1].id) if page else (horizon, 0)
    cursor.moved_at, cursor.failures, cursor.last_error, cursor.retry_at = now, 0, "", None
    cursor.save()


def _is_passed(name: str, event: Event, error: Exception) -> bool:
    """Count that a subscriber failed on one event alone. Whether its cursor is past the event
    now: it was set aside, or another worker came through."""
    with transaction.atomic():
        cursor = Cursor.objects.select_for_update().get(name=name)
        place = (int(event.xid), event.id)
        if (cursor.xid, cursor.last_id) >= place:
            return True
        cursor.failures += 1
        cursor.last_error = _told(error)
        cursor.retry_at = Now() + FIRST_REST * 2 ** (cursor.failures - 1)
        passed = cursor.failures >= MOST_FAILURES
        if passed:
            _set_aside(cursor, event)
            cursor.xid, cursor.last_id = place
            cursor.failures, cursor.last_error, cursor.retry_at = 0, "", None
        cursor.save()
    return passed


def _set_aside(cursor: Cursor, event: Event) -> None:
    logger.error("event %s of subscriber %s is set aside", event.id, cursor.name)
    again = {"error": cursor.last_error, "is_told": False, "is_due": False, "handed_over_at": None}
    SetAside.objects.update_or_create(again, subscriber=cursor.name, event_id=event.id)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


@transaction.atomic
def take_untold(*, limit: int = 100) -> list[SetAside]:
    """What was set aside, or failed once more, and no person was told of: from now on somebody
    was, if the caller's transaction commits."""
    rows = list(
        SetAside.objects.select_for_update(skip_locked=True).filter(
            is_told=False, is_due=False, handed_over_at=None
        )[:limit]
    )
    SetAside.objects.filter(id__in=[row.id for row in rows]).update(is_told=True)
    return rows


@transaction.atomic
def ask_again(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Hand events that were set aside over again, soon. Returns the ids of those still open."""
    rows = SetAside.objects.select_for_update().filter(id__in=ids, handed_over_at=None)
    found = [row.id for row in rows]
    SetAside.objects.filter(id__in=found).update(is_due=True)
    enqueue_on_commit("events.hand_over")
    return found


def hand_over_asked(*, now: dt.datetime) -> int:
    """Hand over what people asked for, each event alone. Returns how many were taken up.

    The wish is used up before it is tried: who dies with it leaves a failure to be told.
    """
    with transaction.atomic():
        due = SetAside.objects.select_for_update(skip_locked=True).filter(is_due=True)
        ids = list(due.values_list("id", flat=True)[:PAGE])
        SetAside.objects.filter(id__in=ids).update(is_due=False, is_told=False)
    for row_id in ids:
        try:
            _hand_over_again(row_id, now)
        except Exception as error:
            logger.exception("the event set aside as %s failed again", row_id)
            SetAside.objects.filter(id=row_id).update(error=_told(error))
    return len(ids)


def _hand_over_again(row_id: uuid.UUID, now: dt.datetime) -> None:
    """Raises whatever the subscriber raises, and ``LookupError`` when this release has it not."""
    with transaction.atomic():
        row = SetAside.objects.select_for_update().get(id=row_id)
        event = Event.objects.get(id=row.event_id)
        subscribers = {subscriber.name: subscriber for subscriber in all_subscribers()}
        if row.subscriber not in subscribers:
            raise LookupError(f"this release has no subscriber {row.subscriber}")
        subscribers[row.subscriber].handle([event], now)
        row.handed_over_at = now
        row.save()
        publish_events([_handed_over(row, event)], actor=DISPATCHER, now=now)


def _handed_over(row: SetAside, event: Event) -> NewEvent:
    return NewEvent(
        type="set_aside.handed_over",
        aggregate_type="set_aside",
        aggregate_id=row.id,
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        data={"subscriber": row.subscriber, "event": event.id, "event_type": event.type},
    )


def seal_events(*, limit: int = 2000) -> int:
    """Extend the hash chain over events written since the last link. Returns links made."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('q2c.seal'))")
        if not cursor.fetchone()[0]:
            return 0
        last = Seal.objects.order_by("-position").first()
        previous = last.hash if last else GENESIS
        links = []
        for event in unsealed_events(last.event_id if last else None, limit):
            digest = link_hash(previous, event)
            links.append(Seal(event_id=event.id, previous_hash=previous, hash=digest))
            previous = digest
        Seal.objects.bulk_create(links)
        failpoint("seal.before_commit")
        return len(links)


def link_hash(previous: str, event: Event) -> str:
    """The chain's next hash: SHA-256 over the link before and the event's whole content."""
    content = dumps(
        [
            event.id, event.event_id, event.type, event.aggregate_type, event.aggregate_id,
            event.aggregate_version, event.legal_entity_id, event.journey_id, event.actor_kind,
            event.actor_id, event.actor_label, event.data, event.occurred_at,
        ]
    )  # fmt: skip
    return hashlib.sha256(f"{previous}{content}".encode()).hexdigest()


def ensure_partitions(*, rows: int = 5_000_000) -> int:
    """Make the next partition of the partitioned tables ahead of need. Returns how many."""
    made = 0
    with connection.cursor() as cursor:
        for table in ("events_event", "connectors_exchange"):
            cursor.execute("SELECT q2c_ensure_partitions(%s, %s)", [table, rows])
            made += cursor.fetchone()[0]
    return made
