"""Writing events in the transaction of the change, and handing them to subscribers."""

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction

from apps.core.codec import dumps
from apps.core.failpoints import failpoint
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.models import Cursor, Event, Seal
from apps.events.registry import Subscriber, all_subscribers
from apps.events.selectors import events_after, unsealed_events
from apps.events.types import NewEvent

logger = logging.getLogger(__name__)

PAGE = 500
GENESIS = "0" * 64


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """A transaction whose state changes the database logs under this actor."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('q2c.actor', true)")
            before = cursor.fetchone()[0] or ""
            cursor.execute("SELECT set_config('q2c.actor', %s, true)", [actor.text])
        yield
        if before:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('q2c.actor', %s, true)", [before])


def publish_events(events: Sequence[NewEvent], *, actor: Actor, now: dt.datetime) -> None:
    """Write events in the caller's transaction and ring the dispatcher once it commits."""
    if not events:
        return
    Event.objects.bulk_create(
        [
            Event(
                type=event.type,
                aggregate_type=event.aggregate_type,
                aggregate_id=event.aggregate_id,
                aggregate_version=event.aggregate_version,
                legal_entity_id=event.legal_entity_id,
                journey_id=event.journey_id,
                actor_kind=actor.kind,
                actor_id=actor.id,
                actor_label=actor.label,
                data=dict(event.data),
                occurred_at=now,
            )
            for event in events
        ]
    )
    enqueue_on_commit("events.dispatch")


def dispatch_events(*, now: dt.datetime) -> int:
    """Give every subscriber the events it has not read. Returns how many were handled."""
    return sum(_catch_up(subscriber, now) for subscriber in all_subscribers())


def _catch_up(subscriber: Subscriber, now: dt.datetime) -> int:
    handled = 0
    while True:
        try:
            read, done = _hand_over(subscriber, now)
        except Exception as error:
            # One subscriber's fault must not stop the others; it is counted and tried again.
            logger.exception("subscriber %s failed", subscriber.name)
            _note_failure(subscriber.name, error)
            return handled
        handled += done
        if read < PAGE:
            return handled


def _hand_over(subscriber: Subscriber, now: dt.datetime) -> tuple[int, int]:
    """One page for one subscriber, with its cursor, in one transaction."""
    with transaction.atomic():
        Cursor.objects.get_or_create(name=subscriber.name)
        cursor = (
            Cursor.objects.select_for_update(skip_locked=True).filter(name=subscriber.name).first()
        )
        if cursor is None:  # another worker reads for it now
            return 0, 0
        page = events_after(cursor.xid, cursor.last_id, PAGE)
        if not page:
            return 0, 0
        wanted = [event for event in page if event.type in subscriber.types]
        if wanted:
            subscriber.handle(wanted, now)
        cursor.xid, cursor.last_id = int(page[-1].xid), page[-1].id
        cursor.moved_at, cursor.failures, cursor.last_error = now, 0, ""
        cursor.save()
        failpoint("dispatch.after_handle_before_commit")
    return len(page), len(wanted)


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
        for event in unsealed_events(limit):
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
