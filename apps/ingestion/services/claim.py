"""Claims of inbound events: the head of an ordering key, under an epoch, by the database's clock.

A worker that stalled after its claim finds at its first write that the epoch has moved on: its
writes are refused and counted (ADR-0021).
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db import connection as database

from apps.connectors.models import Connection
from apps.core.errors import ErrorFacts, StaleWriteError
from apps.core.fsm import transition_rows, transition_set
from apps.events.services import acting
from apps.exceptions.services import open_cases
from apps.ingestion.models import InboundEvent
from apps.ingestion.policies import CLAIM_TTL, is_given_up, together
from apps.ingestion.services.split import INGESTION, event_case
from apps.jobs.services import note_stale_writes

BATCH = 100

Epochs = Mapping[uuid.UUID, int]

# The head of a key is its oldest version that is not settled; nothing of a key is taken up while
# another event of it is claimed. The unique index inbound_one_claim holds two claimers apart that
# could not see each other.
_HEADS = """
SELECT e.id, e.attempts, e.epoch, clock_timestamp() + make_interval(secs => %s)
FROM ingestion_inboundevent e
WHERE e.state = 'received' AND e.due_at <= clock_timestamp() AND NOT EXISTS (
    SELECT FROM ingestion_inboundevent b
    WHERE b.ordering_key = e.ordering_key AND b.state IN ('received', 'processing')
      AND (b.state = 'processing' OR (b.source_version, b.id) < (e.source_version, e.id)))
ORDER BY e.due_at LIMIT %s FOR UPDATE OF e SKIP LOCKED
"""
_LOST = """
SELECT id FROM ingestion_inboundevent
WHERE state = 'processing' AND due_at < clock_timestamp() FOR UPDATE SKIP LOCKED
"""
HELD = "(target.id, target.epoch) IN (SELECT * FROM unnest(%s::uuid[], %s::bigint[]))"


@dataclass(frozen=True, slots=True)
class _Head:
    id: uuid.UUID
    attempts: int
    epoch: int
    until: dt.datetime


def claim_heads() -> dict[uuid.UUID, int]:
    """Take up due heads that may share a transaction; returns event → epoch of the claim.

    The attempt is counted here, as a crash reports nothing.
    """
    try:
        with acting(INGESTION), database.cursor() as cursor:
            cursor.execute(_HEADS, [CLAIM_TTL.total_seconds(), BATCH])
            heads = together([_Head(*row) for row in cursor.fetchall()])
            rows: list[tuple[uuid.UUID, Mapping[str, Any]]] = [
                (h.id, {"attempts": h.attempts + 1, "epoch": h.epoch + 1, "due_at": h.until})
                for h in heads
            ]
            moved = set(transition_rows(InboundEvent, "process", rows))
    except IntegrityError:
        return {}  # another worker claimed an event of the same key in this moment
    return {head.id: head.epoch + 1 for head in heads if head.id in moved}


def held_events(claims: Epochs) -> list[InboundEvent]:
    """The claimed events that are still ours, locked until the transaction ends, in order of
    version; the others are counted as stale writes."""
    found = InboundEvent.objects.select_for_update().filter(id__in=claims, state="processing")
    held = [e for e in found.order_by("source_version", "id") if e.epoch == claims[e.id]]
    note_stale_writes("ingestion.process", len(claims) - len(held))
    return held


def settle_rows(
    name: str, rows: Sequence[tuple[uuid.UUID, Mapping[str, Any]]], claims: Epochs
) -> None:
    """Take events out of their claim. Raises ``StaleWriteError`` unless every claim is ours."""
    epochs = [claims[event_id] for event_id, _ in rows]
    ids = [event_id for event_id, _ in rows]
    moved = transition_rows(InboundEvent, name, rows, where=HELD, params=[ids, epochs])
    if len(moved) != len(rows):
        raise StaleWriteError(f"{len(rows) - len(moved)} claims of inbound events were taken over")


def recover_claims(now: dt.datetime) -> None:
    """Events whose worker stopped are received again; one that was taken up five times in vain
    becomes dead, with a case."""
    with acting(INGESTION):
        with database.cursor() as cursor:
            cursor.execute(_LOST)
            lost = [row[0] for row in cursor.fetchall()]
        if not lost:
            return
        events = list(InboundEvent.objects.filter(id__in=lost))
        hopeless = [e for e in events if is_given_up(e.attempts)]
        again = [e.id for e in events if not is_given_up(e.attempts)]
        transition_set(InboundEvent, "receive_again", again, due_at=now)
        give_up([(e, WORKER_LOST) for e in hopeless], now)


WORKER_LOST = ErrorFacts(
    "processing_fault",
    "Workers ended each time they processed this message. It is kept; its key waits. "
    "Retry after the fault is mended, or discard it with a reason.",
)


def give_up(
    failed: Sequence[tuple[InboundEvent, ErrorFacts]],
    now: dt.datetime,
    claims: Epochs | None = None,
) -> None:
    """Leave events to a person: dead, with a case."""
    if not failed:
        return
    rows = [
        (e.id, {"error_code": facts.code, "error_message": facts.message}) for e, facts in failed
    ]
    if claims:
        settle_rows("die", rows, claims)
    else:
        transition_rows(InboundEvent, "die", rows)
    connections = Connection.objects.in_bulk({e.connection_id for e, _ in failed})
    open_cases(
        [event_case(e, facts, connections.get(e.connection_id)) for e, facts in failed],
        actor=INGESTION,
        now=now,
    )
