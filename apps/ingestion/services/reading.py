"""Reading from the source: what thin messages left out, and what polling finds."""

import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence

from apps.connectors.base import InboundMessage, Page
from apps.connectors.http import Session
from apps.connectors.lanes.counts import count
from apps.connectors.lanes.run import run_lane
from apps.connectors.lanes.work import Done, Job, Lane, Priority
from apps.connectors.models import Connection
from apps.core.codec import dumps, to_json
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting
from apps.ingestion.models import Delivery, InboundEvent, SeenMessage
from apps.ingestion.services.split import INGESTION, event_of

FETCH_AT_ONCE = 100
RETRY_AFTER = dt.timedelta(seconds=3)
CLAIMED = dt.timedelta(seconds=60)  # a reader that dies gives its work back after so long


def read_source(connection_id: str, *, worker: str) -> int:
    """Work the connection's lane, in which fetch-backs and polls are due; returns jobs done."""
    return run_lane(connection_id, worker=worker)


class Fetches:
    """What thin messages left out, read from the source, many objects in one call."""

    name, priority = "ingestion.fetch", Priority.FETCH

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """One batch of objects of one type."""
        if lane.draining:
            return []
        born = time.monotonic()
        due = InboundEvent.objects.filter(
            connection_id=lane.connection.id, state="waiting", wait_reason="fetch",
            due_at__lte=lane.now,
        ).order_by("due_at")  # fmt: skip
        waiting = list(due[:FETCH_AT_ONCE])
        batch = [event for event in waiting if event.object_type == waiting[0].object_type]
        if not batch:
            return []
        ids = [event.id for event in batch]
        InboundEvent.objects.filter(id__in=ids).update(due_at=lane.now + CLAIMED)
        count(lane.connection.id, reads=1)
        wanted = sorted({event.object_id for event in batch})

        async def run(session: Session) -> Sequence[InboundMessage]:
            return await lane.connector.fetch(session, batch[0].object_type, wanted)

        return [Job(batch, run, born)]

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        """Give the events what was fetched; a failed fetch waits a moment."""
        for one in done:
            if one.error is None:
                found = {(m.object_type, m.object_id): m for m in one.value}
                _store_fetched(one.job.item, found, lane.now)
                continue
            ids = [event.id for event in one.job.item]
            waiting = InboundEvent.objects.filter(id__in=ids, state="waiting")
            waiting.update(due_at=lane.now + RETRY_AFTER)


class Polls:
    """What the source changed since the cursor, a page at a time."""

    name, priority = "ingestion.poll", Priority.POLL

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """The next page, when the poll is due."""
        born = time.monotonic()
        due = Connection.objects.filter(id=lane.connection.id, next_poll_at__lte=lane.now)
        if lane.draining or not due.update(next_poll_at=lane.now + CLAIMED):
            return []
        count(lane.connection.id, reads=1)
        cursor = Connection.objects.values_list("poll_cursor", flat=True).get(
            id=lane.connection.id
        )

        async def run(session: Session) -> Page:
            return await lane.connector.poll(session, cursor)

        return [Job(None, run, born)]

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        for one in done:
            if one.error is None:
                _store_page(lane.connection, one.value, lane.now)
            else:
                Connection.objects.filter(id=lane.connection.id).update(
                    next_poll_at=lane.now + RETRY_AFTER
                )


def _store_fetched(
    waiting: Sequence[InboundEvent],
    found: Mapping[tuple[str, str], InboundMessage],
    now: dt.datetime,
) -> None:
    rows, gone = [], []
    for event in waiting:
        message = found.get((event.object_type, event.object_id))
        if message is None:
            gone.append(event.id)
            continue
        values = {
            "payload": to_json(message.payload),
            "source_version": max(event.source_version, message.source_version),
            "wait_reason": "",
            "due_at": now,  # the claim had moved it on
        }
        rows.append((event.id, values))
    with acting(INGESTION):
        transition_rows(InboundEvent, "receive_again", rows)
        transition_set(InboundEvent, "ignore", gone, outcome="gone at the source", wait_reason="")
        enqueue_on_commit("ingestion.process")


def _store_page(connection: Connection, page: Page, now: dt.datetime) -> int:
    """Keep what a page brought and was not seen before, and move the cursor, in one transaction.

    The cursor overlaps (late commits at the source), so most of a page is usually known.
    """
    ids = {f"{m.object_type}:{m.object_id}@{m.source_version}": m for m in page.objects}
    with acting(INGESTION):
        known = set(
            SeenMessage.objects.filter(
                connection_id=connection.id, message_id__in=list(ids)
            ).values_list("message_id", flat=True)
        )
        fresh = {key: message for key, message in ids.items() if key not in known}
        if fresh:
            _store_fresh(connection, fresh, now)
        pause = dt.timedelta(seconds=0 if page.more else connection.poll_every_seconds)
        Connection.objects.filter(id=connection.id).update(
            poll_cursor=dict(page.cursor), next_poll_at=now + pause
        )
    return len(fresh)


def _store_fresh(
    connection: Connection, fresh: Mapping[str, InboundMessage], now: dt.datetime
) -> None:
    raw = dumps([m.payload for m in fresh.values()]).encode()
    body = Delivery.objects.create(
        connection_id=connection.id,
        channel="poll",
        message_id=f"poll-{uuid.uuid4()}",
        raw=raw,
        sha256=hashlib.sha256(raw).hexdigest(),
        content_type="application/json",
        received_at=now,
        split_at=now,
    )
    SeenMessage.objects.bulk_create(
        [
            SeenMessage(
                connection_id=connection.id, message_id=key, sha256=body.sha256,
                delivery_id=body.id, seen_at=now,
            )
            for key in fresh
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    InboundEvent.objects.bulk_create(
        [event_of(body, n, message, now) for n, message in enumerate(fresh.values())]
    )
    enqueue_on_commit("ingestion.process")
