"""Keeping what a poll found and nothing else had brought, with the cursor, in one transaction."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection as database
from django.db.models import Max

from apps.connectors.base import InboundMessage, Page
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.codec import dumps
from apps.core.ids import uuid7
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting
from apps.ingestion.models import Delivery, InboundEvent
from apps.ingestion.services.split import INGESTION, events_of, open_event_cases
from apps.jobs.services import note_stale_writes

LONGEST_ID = 160

# An id that a poll claims bears no hash: what a webhook of the same message would have sent is
# not known. Sorted, so that two pages never wait for each other.
_CLAIM_IDS = """
INSERT INTO ingestion_seenmessage
    (connection_id, message_id, sha256, delivery_id, duplicates, seen_at)
SELECT %s, key, '', %s, 0, %s FROM unnest(%s::text[]) AS key
ON CONFLICT (connection_id, message_id) DO NOTHING RETURNING message_id
"""
_NOTE_CHECK = """
INSERT INTO ingestion_sourcecheck AS known (connection_id, compared_at, found, last_found_at)
VALUES (%(connection)s, %(now)s, 0, NULL)
ON CONFLICT (connection_id) DO UPDATE
    SET compared_at = excluded.compared_at, found = known.found + %(found)s,
        last_found_at = CASE WHEN %(found)s > 0 THEN %(now)s ELSE known.last_found_at END
"""


def store_page(connection: Connection, page: Page, now: dt.datetime) -> int | None:
    """Keep a page. Returns how many messages were fresh; None when another reader has moved the
    cursor since this page was read, and nothing was kept.

    The cursor overlaps (late commits at the source), so most of a page is usually known.
    """
    with acting(INGESTION):
        if not _move_cursor(connection, page, now):
            note_stale_writes("ingestion.poll", 1)
            return None
        body = Delivery(id=uuid7(), connection_id=connection.id, channel="poll", received_at=now)
        fresh = _claim_fresh(body, page, now)
        if fresh:
            _store_fresh(connection, body, fresh, now)
        if connector_for(connection.vendor).sends_webhooks:
            _note_check(connection.id, len(fresh), now, is_over=not page.more)
    return len(fresh)


def _move_cursor(connection: Connection, page: Page, now: dt.datetime) -> bool:
    """Move the cursor from where the page was read; False when it stands elsewhere. When there is
    more, the next page is due at once."""
    seconds = 0 if page.more else connection.poll_every_seconds
    following, rest = dict(page.cursor), dt.timedelta(seconds=seconds)
    stands = Connection.objects.filter(id=connection.id, poll_cursor=connection.poll_cursor)
    moved = stands.update(poll_cursor=following, next_poll_at=now + rest)
    connection.poll_cursor, connection.next_poll_at = following, now + rest
    return bool(moved)


def _claim_fresh(body: Delivery, page: Page, now: dt.datetime) -> list[InboundMessage]:
    """The messages whose ids nobody has claimed and whose objects are not known as they are."""
    ids = {_message_id(message): message for message in page.objects}
    if not ids:
        return []
    with database.cursor() as cursor:
        cursor.execute(_CLAIM_IDS, [body.connection_id, body.id, now, sorted(ids)])
        claimed = {row[0] for row in cursor.fetchall()}
    fresh = {key: message for key, message in ids.items() if key in claimed}
    told = _already_told(body.connection_id, fresh)
    return [message for key, message in fresh.items() if key not in told]


def _message_id(message: InboundMessage) -> str:
    if message.message_id:
        return message.message_id[:LONGEST_ID]
    key = f"{message.object_type}:{message.object_id}@{message.source_version}"
    return key.replace("\x00", "\ufffd")[:LONGEST_ID]


def _already_told(connection_id: uuid.UUID, fresh: Mapping[str, InboundMessage]) -> set[str]:
    """Ids of messages that say no more than a webhook did which bears an id of its own."""
    keys = {
        key: f"{connection_id}:{message.object_type}:{message.object_id}"
        for key, message in fresh.items()
        if not message.message_id
    }
    newest = dict(
        InboundEvent.objects.filter(ordering_key__in=set(keys.values()))
        .values("ordering_key")
        .annotate(newest=Max("source_version"))
        .values_list("ordering_key", "newest")
    )
    return {k for k, order in keys.items() if newest.get(order, -1) >= fresh[k].source_version}


def _store_fresh(
    connection: Connection, body: Delivery, fresh: list[InboundMessage], now: dt.datetime
) -> None:
    raw = dumps([message.payload for message in fresh]).encode()
    body.message_id, body.content_type = f"poll-{body.id}", "application/json"
    body.raw, body.sha256, body.split_at = raw, hashlib.sha256(raw).hexdigest(), now
    body.save(force_insert=True)
    events, broken = events_of(body, fresh, now)
    InboundEvent.objects.bulk_create(events)
    open_event_cases(broken, {connection.id: connection}, now)
    enqueue_on_commit("ingestion.process")


def _note_check(connection_id: uuid.UUID, found: int, now: dt.datetime, *, is_over: bool) -> None:
    """Count what comparing found. The first walk reads the source's history: it makes the row
    when it is over, and what it brought is not counted."""
    values: dict[str, Any] = {"connection": connection_id, "now": now, "found": found}
    with database.cursor() as cursor:
        if is_over:
            cursor.execute(_NOTE_CHECK, values)
        else:
            cursor.execute(
                "UPDATE ingestion_sourcecheck SET found = found + %(found)s "
                "WHERE connection_id = %(connection)s", values,
            )  # fmt: skip
