"""Reads of postings."""

import datetime as dt
import uuid

from django.db import connection
from django.db.models import F

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.postings.models import Attempt, Posting

_DUE_LANES = """
SELECT DISTINCT p.connection_id FROM postings_posting p
JOIN connectors_connection c ON c.id = p.connection_id
WHERE c.state IN ('active', 'draining')
  AND (c.circuit_until IS NULL OR c.circuit_until <= clock_timestamp())
  AND (c.held_until IS NULL OR c.held_until <= clock_timestamp())
  AND (((p.state IN ('unknown', 'posted') OR (p.state = 'queued' AND c.state = 'active'))
        AND p.due_at <= clock_timestamp())
       OR (p.state = 'sending' AND p.claimed_until < clock_timestamp()))
"""


def list_postings(principal: Principal) -> ScopedQuerySet:
    """Postings a principal may see, newest first."""
    return Posting.objects.visible_to(principal).order_by("-sequence")


def due_lanes() -> list[str]:
    """Connections with work due now: what the sweeper rings."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE_LANES)
        return [str(row[0]) for row in cursor.fetchall()]


def postings_by_id(ids: list[uuid.UUID]) -> dict[uuid.UUID, Posting]:
    return {posting.id: posting for posting in Posting.objects.filter(id__in=ids)}


def attempts_of(posting_ids: list[uuid.UUID]) -> list[Attempt]:
    """Tries of some postings, oldest first."""
    return list(Attempt.objects.filter(posting_id__in=posting_ids).order_by("id"))


def blocked_behind(posting: Posting) -> int:
    """How many postings wait behind this one in its ordering key."""
    return Posting.objects.filter(
        connection_id=posting.connection_id,
        ordering_key=posting.ordering_key,
        sequence__gt=posting.sequence,
        state="queued",
    ).count()


def oldest_due(now: dt.datetime) -> dt.datetime | None:
    """When the oldest due posting fell due."""
    return (
        Posting.objects.filter(state="queued", due_at__lte=now)
        .order_by(F("due_at"))
        .values_list("due_at", flat=True)
        .first()
    )
