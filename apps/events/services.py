"""Writing events in the transaction of the change, and handing them to subscribers."""

import datetime as dt
import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from apps.core.codec import dumps
from apps.core.failpoints import failpoint
from apps.core.ids import uuid7
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.core.rows import Statement, insert_statement, run_together
from apps.events.models import Cursor, Event, Seal
from apps.events.registry import Subscriber, all_subscribers
from apps.events.selectors import (
    events_after,
    find_readers,
    settled_before,
    unsealed_events,
)
from apps.events.types import NewEvent

logger = logging.getLogger(__name__)

PAGE = 500
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
            xid=horizon, last_id=0, moved_at=now, failures=0, last_error=""
        )


def _catch_up(subscriber: Subscriber, now: dt.datetime) -> int:
    handled = 0
    while True:
        try:
            done = _hand_over(subscriber, now)
        except Exception as error:
            # One subscriber's fault must not stop the others; it is counted and tried again.
            logger.exception("subscriber %s failed", subscriber.name)
            _note_failure(subscriber.name, error)
            return handled
        handled += done
        if done < PAGE:
            return handled


def _hand_over(subscriber: Subscriber, now: dt.datetime) -> int:
    """One page for one subscriber, with its cursor, in one transaction."""
    with transaction.atomic():
        cursor = (
            Cursor.objects.select_for_update(skip_locked=True).filter(name=subscriber.name).first()
        )
        if cursor is None:  # another worker reads for it now
            return 0
        horizon = settled_before()
        page = events_after(cursor.xid, cursor.last_id, subscriber.types, horizon, PAGE)
        if page:
            subscriber.handle(page, now)
        if len(page) == PAGE:
            cursor.xid, cursor.last_id = int(page[-1].xid), page[-1].id
        else:  # what else is settled is of types that this subscriber does not read
            cursor.xid, cursor.last_id = horizon, 0
        cursor.moved_at, cursor.failures, cursor.last_error = now, 0, ""
        cursor.save()
        failpoint("dispatch.after_handle_before_commit")
    return len(page)


def _note_failure(name: str, error: Exception) -> None:
    with transaction.atomic():
        cursor, _ = Cursor.objects.select_for_update().get_or_create(name=name)
        cursor.failures += 1
        cursor.last_error = f"{type(error).__name__}: {error}"[:2000]
        cursor.save(update_fields=["failures", "last_error"])


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
