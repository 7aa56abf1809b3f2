"""Every write to connections and exchanges, and opening a session to a platform."""

import asyncio
import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError, models
from django.db import connection as database

from apps.connectors.http import ExchangeRecord, Session, new_client
from apps.connectors.models import Connection, Exchange
from apps.connectors.policies import OPENS_AFTER, address_fault, circuit_rest
from apps.connectors.registry import vendors
from apps.connectors.secrets import seal, unseal
from apps.connectors.types import IN_PROCESS, ROLES, ConnectionSpec
from apps.core.errors import ConfigurationError, ErrorFacts
from apps.core.fsm import transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor, system_actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent

logger = logging.getLogger(__name__)

CIRCUIT = system_actor("connectors.circuit")
SUCCESS_NOTED_EVERY = dt.timedelta(seconds=5)
# A write that failed is tried again within a minute, a probe within half a minute: failures older
# than this are those of writes that nobody owes any more.
WRITE_FAILURES_LAST = dt.timedelta(minutes=5)

# Access tokens and slow reference data by connection, for the life of the process. They are
# dropped when the connection's row changes.
_memories: dict[uuid.UUID, tuple[int, dict[str, Any], dict[Any, Any]]] = {}


@asynccontextmanager
async def open_session(connection: Connection) -> AsyncIterator[Session]:
    """A session for calls of this connection; its exchanges are stored when it closes.

    Raises ``ConfigurationError`` when the credentials cannot be opened.
    """
    records: list[ExchangeRecord] = []
    try:
        async with connect(connection, record=records.append) as session:
            yield session
    finally:
        if records:
            await asyncio.to_thread(_store_and_close, connection, records)


@asynccontextmanager
async def connect(
    connection: Connection, *, record: Callable[[ExchangeRecord], None], **more: Any
) -> AsyncIterator[Session]:
    """A session whose exchanges go to ``record``; ``more`` are the lane's fields of ``Session``.

    Raises ``ConfigurationError`` when the credentials cannot be opened.
    """
    tokens, memory = _memory_of(connection)
    async with new_client() as client:
        yield Session(
            vendor_name=connection.name,
            base_url=connection.base_url,
            config=connection.config,
            secrets=unseal(connection.secrets, connection.code),
            client=client,
            record=record,
            tokens=tokens,
            memory=memory,
            **more,
        )


def _memory_of(connection: Connection) -> tuple[dict[str, Any], dict[Any, Any]]:
    known = _memories.get(connection.id)
    if known is None or known[0] != connection.rev:
        known = (connection.rev, {}, {})
        _memories[connection.id] = known
    return known[1], known[2]


def _store_and_close(connection: Connection, records: Sequence[ExchangeRecord]) -> None:
    """Store from a thread of its own: the database may not be called from an event loop."""
    try:
        store_exchanges(connection, records)
    except DatabaseError:
        # The evidence is lost, the calls were made: their results must still be settled.
        logger.exception("exchanges of %s were not stored", connection.code)
    finally:
        database.close()


def store_exchanges(connection: Connection, records: Sequence[ExchangeRecord]) -> None:
    """Append redacted exchanges, in one statement."""
    Exchange.objects.bulk_create(
        [
            Exchange(
                connection_id=connection.id,
                legal_entity_id=connection.legal_entity_id,
                **asdict(record),
            )
            for record in records
        ]
    )


def note_success(connection_id: uuid.UUID, *, now: dt.datetime, writes: bool) -> None:
    """The platform answered. A write's answer says that it is well; a read's leaves the failures
    of writes standing (ADR-0034). An open circuit closes with fewer than five of them."""
    with acting(CIRCUIT):
        row = Connection.objects.select_for_update().get(id=connection_id)
        if is_noted(row, now=now, writes=writes):
            return
        left = _left(row, now, writes=writes)
        row.consecutive_failures, row.write_failures, row.last_success_at = left, left, now
        closes = row.circuit != "closed" and circuit_rest(left) is None
        if closes:
            row.circuit, row.circuit_until, row.circuit_opened_at = "closed", None, None
        row.save(update_fields=_HEALTH)
        if closes:
            publish_events([_told(row, "circuit_closed")], actor=CIRCUIT, now=now)
            _ring_lane(row)


def is_noted(row: Connection, *, now: dt.datetime, writes: bool) -> bool:
    """Whether a success says nothing that the row does not say: it has no failures to clear, and
    one was noted within some seconds."""
    seen = row.last_success_at
    recent = seen is not None and now - seen < SUCCESS_NOTED_EVERY
    return recent and row.consecutive_failures == _left(row, now, writes=writes)


def _left(row: Connection, now: dt.datetime, *, writes: bool) -> int:
    """Failures that a success leaves standing: a read's those of writes, unless the last is so
    long ago that every write that is owed was tried since."""
    failed = row.last_failure_at
    past = failed is None or now - failed >= WRITE_FAILURES_LAST
    return 0 if writes or past else row.write_failures


def note_failure(
    connection_id: uuid.UUID, error: ErrorFacts, *, now: dt.datetime, calls: int = 1,
    writes: int = 0,
) -> bool:  # fmt: skip
    """``calls`` failed together, ``writes`` of them writes: after five in a row the circuit opens,
    for 5 s first and up to 30 s when the probes fail as well. What was still out when it opened
    says nothing new. Returns whether it is open."""
    with acting(CIRCUIT):
        row = Connection.objects.select_for_update().get(id=connection_id)
        if row.circuit == "open" and row.circuit_until and row.circuit_until > now:
            return True
        if row.circuit == "closed":
            row.consecutive_failures = min(row.consecutive_failures + calls, OPENS_AFTER)
            row.write_failures = min(row.write_failures + writes, OPENS_AFTER)
        else:
            row.consecutive_failures += 1
            row.write_failures += min(writes, 1)
        row.last_failure_at, row.last_error = now, error.message
        rest = circuit_rest(row.consecutive_failures)
        opens = rest is not None and row.circuit == "closed"
        if rest is not None:
            row.circuit, row.circuit_until = "open", now + rest
            row.circuit_opened_at = row.circuit_opened_at or now
        row.save(update_fields=_HEALTH)
        if opens:
            publish_events(
                [_told(row, "circuit_opened", error=error.message)], actor=CIRCUIT, now=now
            )
    return rest is not None


_HEALTH = (
    "circuit", "circuit_until", "circuit_opened_at", "consecutive_failures", "write_failures",
    "last_success_at", "last_failure_at", "last_error",
)  # fmt: skip


def pause_connection(
    connection_id: uuid.UUID, *, reason: str, actor: Actor, now: dt.datetime
) -> bool:
    """Stop calling a platform; what is owed waits. False when it was paused already."""
    return _move(connection_id, "pause", "paused", reason, actor, now)


def drain_connection(
    connection_id: uuid.UUID, *, reason: str, actor: Actor, now: dt.datetime
) -> bool:
    """Finish what was begun and begin nothing new. False when it was not active."""
    return _move(connection_id, "drain", "draining", reason, actor, now)


def resume_connection(
    connection_id: uuid.UUID, *, reason: str, actor: Actor, now: dt.datetime
) -> bool:
    """Call the platform again, with a closed circuit. False when it was active already."""
    with acting(actor):
        moved = _move(connection_id, "resume", "resumed", reason, actor, now)
        if moved:
            Connection.objects.filter(id=connection_id).update(
                circuit="closed", circuit_until=None, circuit_opened_at=None,
                consecutive_failures=0, write_failures=0, rev=models.F("rev") + 1,
            )  # fmt: skip
            _ring_lane(Connection.objects.get(id=connection_id))
    return moved


def _move(
    connection_id: uuid.UUID, name: str, told: str, reason: str, actor: Actor, now: dt.datetime
) -> bool:
    with acting(actor):
        moved = transition_set(Connection, name, [connection_id], state_reason=reason[:300])
        if moved:
            row = Connection.objects.get(id=connection_id)
            publish_events([_told(row, told, reason=reason)], actor=actor, now=now)
    return bool(moved)


def ensure_connection(spec: ConnectionSpec, *, actor: Actor, now: dt.datetime) -> Connection:
    """Create or change a connection by its code; an equal one is left as it is.

    Raises ``ConfigurationError`` naming what is wrong with the role, the vendor or the address.
    """
    _check(spec)
    with acting(actor):
        row = Connection.objects.select_for_update().filter(code=spec.code).first()
        fresh = row is None
        row = row or Connection(code=spec.code, rev=0)
        changed = _write(row, spec)
        if fresh and spec.poll_every_seconds:
            row.next_poll_at = now
        if fresh or changed:
            row.rev += 1
            row.save()
            told = "created" if fresh else "changed"
            publish_events([_told(row, told, fields=changed)], actor=actor, now=now)
    return row


def _write(row: Connection, spec: ConnectionSpec) -> list[str]:
    """Put a spec's values on the row; returns the names of those that differ."""
    values: dict[str, Any] = {
        "name": spec.name,
        "vendor": spec.vendor,
        "role": spec.role,
        "base_url": spec.base_url.rstrip("/"),
        "legal_entity_id": spec.legal_entity_id,
        "config": dict(spec.config),
        "concurrency": spec.concurrency,
        "poll_every_seconds": spec.poll_every_seconds,
    }
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if spec.secrets is not None and unseal(row.secrets, row.code) != dict(spec.secrets):
        row.secrets = seal(spec.secrets)
        changed.append("secrets")
    return changed


def _check(spec: ConnectionSpec) -> None:
    fault = ""
    if spec.role not in ROLES:
        fault = f"The role must be one of {', '.join(ROLES)}."
    elif spec.vendor not in vendors():
        fault = f"The vendor must be one of {', '.join(vendors())}."
    elif spec.vendor not in IN_PROCESS:
        fault = address_fault(spec.base_url)
    if fault:
        raise ConfigurationError("misconfigured", f"Connection {spec.code}: {fault}")


def store_secrets(
    connection_id: uuid.UUID, secrets: Mapping[str, Any], *, actor: Actor, now: dt.datetime
) -> None:
    """Replace a connection's credentials; tokens made of the old ones are forgotten."""
    with acting(actor):
        row = Connection.objects.select_for_update().get(id=connection_id)
        row.secrets = seal(secrets)
        row.rev += 1
        row.save(update_fields=["secrets", "rev"])
        publish_events(
            [_told(row, "credentials_replaced", names=sorted(secrets))], actor=actor, now=now
        )


def _told(row: Connection, what: str, **data: Any) -> NewEvent:
    return NewEvent(
        type=f"connection.{what}",
        aggregate_type="connection",
        aggregate_id=row.id,
        aggregate_version=row.rev,
        legal_entity_id=row.legal_entity_id,
        data={"code": row.code, "name": row.name, "role": row.role, **data},
    )


def _ring_lane(row: Connection) -> None:
    enqueue_on_commit("postings.run_lane", str(row.id), queue="lanes")
    enqueue_on_commit("ingestion.read", str(row.id), queue="lanes")
