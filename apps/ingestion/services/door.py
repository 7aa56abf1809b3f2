"""The door: a body is stored before it is acknowledged. No Redis, no Celery, no call out."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from psycopg import Cursor

from apps.core.codec import dumps
from apps.core.failpoints import failpoint
from apps.core.ids import uuid7
from apps.ingestion.models import Quarantine
from apps.ingestion.types import Receipt, Refusal

KEPT_BYTES = 64 * 1024
QUARANTINE_ROWS = 5000
SECRET_HEADERS = frozenset({"authorization", "cookie", "x-api-key"})

# One statement, one round trip, one commit: the id is claimed, and the body is stored by the one
# who claimed it. An id that a poll found first bears no hash of a body: the webhook that comes
# after all is a repetition whatever its bytes, and its hash holds from then on.
_RECEIVE = """
WITH claimed AS (
    INSERT INTO ingestion_seenmessage AS seen
        (connection_id, message_id, sha256, delivery_id, duplicates, seen_at)
    SELECT %(connection)s::uuid, %(message)s, %(sha256)s, %(delivery)s::uuid, 0, %(now)s
    WHERE %(rev)s::bigint IS NULL OR EXISTS (
        SELECT FROM connectors_connection WHERE id = %(connection)s AND rev = %(rev)s)
    ON CONFLICT (connection_id, message_id) DO UPDATE
        SET duplicates = seen.duplicates + (seen.sha256 IN (excluded.sha256, ''))::int,
            sha256 = coalesce(nullif(seen.sha256, ''), excluded.sha256)
    RETURNING delivery_id, sha256
), stored AS (
    INSERT INTO ingestion_delivery (id, created_at, updated_at, connection_id, channel,
        message_id, raw, sha256, content_type, headers, received_at, attempts, due_at)
    SELECT %(delivery)s, %(now)s, %(now)s, %(connection)s, %(channel)s, %(message)s, %(raw)s,
        %(sha256)s, %(type)s, %(headers)s::jsonb, %(now)s, 0, %(now)s
    FROM claimed WHERE delivery_id = %(delivery)s
)
SELECT delivery_id, sha256 FROM claimed
"""


def receive_delivery(
    *,
    connection_id: uuid.UUID,
    channel: str,
    message_id: str,
    raw: bytes,
    headers: Mapping[str, str],
    now: dt.datetime,
    connection_rev: int | None = None,
) -> Receipt:
    """Store a verified body once, with its headers by lower-case name.

    A repeated id with the same bytes is a duplicate; with other bytes a conflict, which the
    caller quarantines. Stale: the connection is no longer at the given revision, and nothing was
    stored.
    """
    digest = hashlib.sha256(raw).hexdigest()
    delivery_id = uuid7()
    arguments = {
        "connection": connection_id, "rev": connection_rev, "channel": channel,
        "message": message_id, "raw": raw, "sha256": digest, "delivery": delivery_id,
        "type": headers.get("content-type", "")[:100], "now": now,
        "headers": dumps(safe_headers(headers)),
    }  # fmt: skip
    failpoint("inbox.before_commit")
    claimed = _claim_and_store(arguments)
    if claimed is None:
        return Receipt("stale", None)
    owner_id, known_digest = claimed
    if owner_id == delivery_id:
        return Receipt("new", delivery_id)
    return Receipt("duplicate" if known_digest == digest else "conflict", owner_id)


def _claim_and_store(arguments: Mapping[str, Any]) -> Any:
    """The row of ``_RECEIVE``. Planning it costs as much as running it, so it is prepared once a
    connection where the settings allow that (ADR-0022); Django's own cursor never prepares."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        return cursor.execute(_RECEIVE, arguments, prepare=True).fetchone()


# The newest rows stay. Rows that another request deletes now are its own to delete.
_TRIM = """
DELETE FROM ingestion_quarantine WHERE id IN (
    SELECT id FROM ingestion_quarantine WHERE (received_at, id) <= (
        SELECT received_at, id FROM ingestion_quarantine
        ORDER BY received_at DESC, id DESC OFFSET %s LIMIT 1)
    FOR UPDATE SKIP LOCKED)
"""


def quarantine(
    *,
    connection_id: uuid.UUID | None,
    legal_entity_id: uuid.UUID | None,
    refusal: Refusal,
    raw: bytes,
    size: int,
    headers: Mapping[str, str],
    now: dt.datetime,
) -> None:
    """Keep a refused body for a person, capped in bytes and in rows. It claims no id."""
    with transaction.atomic():
        Quarantine.objects.create(
            connection_id=connection_id,
            legal_entity_id=legal_entity_id,
            reason=refusal.reason,
            explanation=refusal.explanation,
            message_id=refusal.message_id[:160],
            raw=raw[:KEPT_BYTES],
            size=size,
            sha256=hashlib.sha256(raw).hexdigest(),
            headers=safe_headers(headers),
            status_code=refusal.status_code,
            received_at=now,
        )
        with connection.cursor() as cursor:
            cursor.execute(_TRIM, [QUARANTINE_ROWS])


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without what would let a reader sign in or sign."""
    return {
        name.lower(): "(hidden)" if _is_secret(name) else value[:400]
        for name, value in headers.items()
    }


def _is_secret(name: str) -> bool:
    lower = name.lower()
    return lower in SECRET_HEADERS or "signature" in lower or "token" in lower
