"""Reading from the source: what thin messages left out, and what polling finds."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.connectors.base import InboundMessage, Page
from apps.connectors.http import Session
from apps.connectors.lanes.counts import count
from apps.connectors.lanes.run import run_lane
from apps.connectors.lanes.work import CLAIM_TTL, Done, Job, Lane, Priority
from apps.connectors.models import Connection
from apps.core.codec import to_json
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting
from apps.ingestion.models import InboundEvent
from apps.ingestion.services.pages import store_page
from apps.ingestion.services.split import INGESTION
from apps.jobs.services import note_stale_writes

FETCH_AT_ONCE = 100
RETRY_AFTER = dt.timedelta(seconds=3)


def read_source(connection_id: str, *, worker: str) -> int:
    """Work the connection's lane, in which fetch-backs and polls are due; returns jobs done."""
    return run_lane(connection_id, worker=worker)


# Only what still waits for the fetch that claimed it is written: a message that came meanwhile,
# a person or another worker may have moved the event on.
OURS = "target.state = 'waiting' AND target.wait_reason = 'fetch' AND target.due_at = %s"


@dataclass(slots=True)
class Batch:
    """Events that one fetch is to fill, claimed until a moment that is also the claim's token."""

    events: Sequence[InboundEvent]
    until: dt.datetime

    @property
    def ids(self) -> list[uuid.UUID]:
        return [event.id for event in self.events]

    def move_due(self, until: dt.datetime) -> None:
        """Put off what is still ours."""
        ours = InboundEvent.objects.filter(
            id__in=self.ids, state="waiting", wait_reason="fetch", due_at=self.until
        )
        ours.update(due_at=until)
        self.until = until


class Fetches:
    """What thin messages left out, read from the source, many objects in one call."""

    name, priority = "ingestion.fetch", Priority.FETCH

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """One batch of objects of one type."""
        if lane.draining:
            return []
        due = InboundEvent.objects.filter(
            connection_id=lane.connection.id, state="waiting", wait_reason="fetch",
            due_at__lte=lane.now,
        ).order_by("due_at")  # fmt: skip
        waiting = list(due[:FETCH_AT_ONCE])
        batch = [event for event in waiting if event.object_type == waiting[0].object_type]
        if not batch:
            return []
        claim = Batch(batch, lane.now + CLAIM_TTL)
        InboundEvent.objects.filter(id__in=claim.ids).update(due_at=claim.until)
        count(lane.connection.id, reads=1)
        wanted = sorted({event.object_id for event in batch})

        async def run(session: Session) -> Sequence[InboundMessage]:
            return await lane.connector.fetch(session, batch[0].object_type, wanted)

        return [Job(claim, run, lane.born)]

    def renew(self, lane: Lane, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.item.move_due(lane.now + CLAIM_TTL)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        """Give the events what was fetched; a failed fetch waits a moment."""
        for one in done:
            if one.error is None:
                found = {(m.object_type, m.object_id): m for m in one.value}
                _store_fetched(one.job.item, found, lane.now)
                continue
            one.job.item.move_due(lane.now + RETRY_AFTER)


class Polls:
    """What the source changed since the cursor, a page at a time."""

    name, priority = "ingestion.poll", Priority.POLL

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """The next page, when the poll is due."""
        due = Connection.objects.filter(id=lane.connection.id, next_poll_at__lte=lane.now)
        if lane.draining or not due.update(next_poll_at=lane.now + CLAIM_TTL):
            return []
        count(lane.connection.id, reads=1)
        cursor = Connection.objects.values_list("poll_cursor", flat=True).get(
            id=lane.connection.id
        )

        async def run(session: Session) -> Page:
            return await lane.connector.poll(session, cursor)

        return [Job(cursor, run, lane.born)]

    def renew(self, lane: Lane, jobs: Sequence[Job]) -> None:
        row = Connection.objects.filter(id=lane.connection.id)
        row.update(next_poll_at=lane.now + CLAIM_TTL)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        """Keep the page, unless another worker has moved the cursor since it was asked for."""
        row = lane.connection
        for one in done:
            if one.error is None:
                row.poll_cursor = one.job.item
                store_page(row, one.value, lane.now)
            else:
                later = lane.now + RETRY_AFTER
                Connection.objects.filter(id=row.id).update(next_poll_at=later)


def _store_fetched(
    claim: Batch,
    found: Mapping[tuple[str, str], InboundMessage],
    now: dt.datetime,
) -> None:
    rows, gone = [], []
    for event in claim.events:
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
    ours: dict[str, Any] = {"where": OURS, "params": [claim.until]}
    with acting(INGESTION):
        moved = transition_rows(InboundEvent, "receive_again", rows, **ours)
        moved += transition_set(
            InboundEvent, "ignore", gone, outcome="gone at the source", wait_reason="", **ours
        )
        note_stale_writes("ingestion.fetch", len(claim.events) - len(moved))
        enqueue_on_commit("ingestion.process")
