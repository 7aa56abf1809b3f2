"""Reading from the source: what thin messages left out, and what polling finds."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence

from apps.connectors.base import InboundMessage, Page
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.services import note_failure, note_success, open_session, pause_connection
from apps.core.clock import utc_now
from apps.core.codec import to_json
from apps.core.errors import ConfigurationError, HubError
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.stopping import stopping
from apps.events.services import acting
from apps.ingestion.models import InboundEvent
from apps.ingestion.services.pages import store_page
from apps.ingestion.services.split import INGESTION
from apps.jobs.services import acquire_leases, release_leases

LEASE = dt.timedelta(seconds=75)
FETCH_AT_ONCE = 100
PAGES_AT_ONCE = 20
RETRY_AFTER = dt.timedelta(seconds=3)


def read_source(connection_id: str, *, worker: str) -> int:
    """Fetch what waits and poll when due, one reader per connection. Returns objects read."""
    key = f"read:{connection_id}"
    if key not in acquire_leases([key], owner=worker, ttl=LEASE):
        return 0
    try:
        return _read_guarded(Connection.objects.get(id=connection_id))
    finally:
        release_leases([key], owner=worker)


def _read_guarded(connection: Connection) -> int:
    if connection.state != "active":
        return 0
    try:
        return _read(connection)
    except HubError as error:
        _note_error(connection, error)
        return 0


def _read(connection: Connection) -> int:
    count = 0
    while not stopping() and (fetched := _fetch_waiting(connection)):
        count += fetched
    if connection.next_poll_at is not None and connection.next_poll_at <= utc_now():
        count += _poll(connection)
    if count:
        note_success(connection.id, now=utc_now())
    return count


def _note_error(connection: Connection, error: HubError) -> None:
    now = utc_now()
    if isinstance(error, ConfigurationError):
        pause_connection(connection.id, reason=error.facts.message, actor=INGESTION, now=now)
        return
    note_failure(connection.id, error.facts, now=now)
    InboundEvent.objects.filter(
        connection_id=connection.id, state="waiting", wait_reason="fetch"
    ).update(due_at=now + RETRY_AFTER)
    Connection.objects.filter(id=connection.id, next_poll_at__lte=now).update(
        next_poll_at=now + RETRY_AFTER
    )


def _fetch_waiting(connection: Connection) -> int:
    """Fetch one batch of objects; an event whose object is gone is ignored with that reason."""
    waiting = list(
        InboundEvent.objects.filter(
            connection_id=connection.id, state="waiting", wait_reason="fetch",
            due_at__lte=utc_now(),
        ).order_by("due_at")[:FETCH_AT_ONCE]
    )  # fmt: skip
    by_type: dict[str, list[str]] = {}
    for event in waiting:
        by_type.setdefault(event.object_type, []).append(event.object_id)
    found: dict[tuple[str, str], InboundMessage] = {}
    for object_type, ids in by_type.items():
        messages = asyncio.run(_fetch(connection, object_type, sorted(set(ids))))
        found.update({(m.object_type, m.object_id): m for m in messages})
    _store_fetched(waiting, found)
    return len(waiting)


async def _fetch(
    connection: Connection, object_type: str, ids: Sequence[str]
) -> Sequence[InboundMessage]:
    connector = connector_for(connection.vendor)
    async with open_session(connection) as session:
        return await connector.fetch(session, object_type, ids)


def _store_fetched(
    waiting: Sequence[InboundEvent], found: Mapping[tuple[str, str], InboundMessage]
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
        }
        rows.append((event.id, values))
    with acting(INGESTION):
        transition_rows(InboundEvent, "receive_again", rows)
        transition_set(InboundEvent, "ignore", gone, outcome="gone at the source", wait_reason="")
        enqueue_on_commit("ingestion.process")


def _poll(connection: Connection) -> int:
    count = 0
    for _ in range(PAGES_AT_ONCE):
        page = asyncio.run(_poll_page(connection))
        stored = store_page(connection, page, utc_now())
        count += stored or 0
        if stored is None or not page.more or stopping():
            break
    return count


async def _poll_page(connection: Connection) -> Page:
    connector = connector_for(connection.vendor)
    async with open_session(connection) as session:
        return await connector.poll(session, connection.poll_cursor)
