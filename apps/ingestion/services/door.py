"""The door: a body is stored before it is acknowledged. No Redis, no Celery, no call out."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping

from django.db import connection, transaction

from apps.core.failpoints import failpoint
from apps.core.ids import uuid7
from apps.ingestion.models import Delivery, Quarantine
from apps.ingestion.types import Receipt, Refusal

KEPT_BYTES = 64 * 1024
QUARANTINE_ROWS = 5000
SECRET_HEADERS = frozenset({"authorization", "cookie", "x-api-key"})

_CLAIM_ID = """
INSERT INTO ingestion_seenmessage AS seen
    (connection_id, message_id, sha256, delivery_id, duplicates, seen_at)
VALUES (%s, %s, %s, %s, 0, %s)
ON CONFLICT (connection_id, message_id) DO UPDATE
    SET duplicates = seen.duplicates + (seen.sha256 = excluded.sha256)::int
RETURNING delivery_id, sha256
"""


def receive_delivery(
    *,
    connection_id: uuid.UUID,
    channel: str,
    message_id: str,
    raw: bytes,
    content_type: str,
    headers: Mapping[str, str],
    now: dt.datetime,
) -> Receipt:
    """Store a verified body once. A repeated id with the same bytes is a duplicate; with other
    bytes a conflict, which the caller quarantines."""
    digest = hashlib.sha256(raw).hexdigest()
    delivery_id = uuid7()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM_ID, [connection_id, message_id, digest, delivery_id, now])
            owner_id, known_digest = cursor.fetchone()
        if owner_id != delivery_id:
            return Receipt("duplicate" if known_digest == digest else "conflict", owner_id)
        Delivery.objects.create(
            id=delivery_id,
            connection_id=connection_id,
            channel=channel,
            message_id=message_id,
            raw=raw,
            sha256=digest,
            content_type=content_type[:100],
            headers=safe_headers(headers),
            received_at=now,
        )
        failpoint("inbox.before_commit")
    return Receipt("new", delivery_id)


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
        surplus = Quarantine.objects.order_by("-received_at", "-id").values("id")[QUARANTINE_ROWS:]
        Quarantine.objects.filter(id__in=list(surplus.values_list("id", flat=True))).delete()


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without what would let a reader sign in or sign."""
    return {
        name.lower(): "(hidden)" if _is_secret(name) else value[:400]
        for name, value in headers.items()
    }


def _is_secret(name: str) -> bool:
    lower = name.lower()
    return lower in SECRET_HEADERS or "signature" in lower or "token" in lower
