"""A connection's lane: claim heads, call between transactions, commit what came back.

The lane is held under a lease for at most one round of calls at a time and rings again while work
is due, so that a killed worker loses nothing but the claims that expire by themselves.
"""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from apps.connectors.base import Connector, OutboundCall, Written
from apps.connectors.http import Session
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.services import open_session
from apps.core.clock import utc_now
from apps.core.errors import HubError, OutcomeUnknownError
from apps.core.failpoints import failpoint
from apps.jobs.services import acquire_leases, release_leases
from apps.postings.models import Posting
from apps.postings.policies import vendor_key
from apps.postings.services.claim import Claim, claim_sends, expire_claims
from apps.postings.services.settle import settle_read_backs, settle_sends
from apps.postings.services.unknown import claim_states, settle_lookups, sort_unknown
from apps.postings.types import Outcome

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=75)
ROUND_SECONDS = 45.0


def run_lane(connection_id: str, *, worker: str) -> int:
    """Work a connection's due postings until none is due or the round's time is up.

    Returns how many calls were made; 0 as well when another worker holds the lane.
    """
    key = f"lane:{connection_id}"
    if key not in acquire_leases([key], owner=worker, ttl=LEASE):
        return 0
    try:
        return _rounds(connection_id, worker)
    finally:
        release_leases([key], owner=worker)


def _rounds(connection_id: str, worker: str) -> int:
    calls, stop = 0, time.monotonic() + ROUND_SECONDS
    while time.monotonic() < stop:
        connection = Connection.objects.get(id=connection_id)
        if connection.state != "active" or not _circuit_lets_through(connection, utc_now()):
            break
        made = _round(connection, worker)
        calls += made
        if made == 0:
            break
    return calls


def _circuit_lets_through(connection: Connection, now: dt.datetime) -> bool:
    if connection.circuit == "closed":
        return True
    return connection.circuit_until is None or connection.circuit_until <= now


def _round(connection: Connection, worker: str) -> int:
    """One claim of sends, lookups and read-backs, their calls at once, and their results."""
    now = utc_now()
    expire_claims(connection)
    connector = connector_for(connection.vendor)
    probing = connection.circuit != "closed"
    limit = 1 if probing else connection.concurrency * 4
    lookups = sort_unknown(connection, connector, worker=worker, limit=limit, now=now)
    readings = claim_states(connection, ["posted"], "read_back", worker, limit, now)
    sends = claim_sends(connection, worker=worker, limit=limit, now=now)
    if not (sends.postings or lookups.postings or readings.postings):
        return 0
    results = asyncio.run(_call_all(connection, connector, sends, lookups, readings))
    settle_sends(connection, sends, results[0], now=utc_now())
    settle_lookups(connection, lookups, results[1], now=utc_now())
    settle_read_backs(connection, readings, results[2], now=utc_now())
    return len(sends.postings) + len(lookups.postings) + len(readings.postings)


async def _call_all(
    connection: Connection, connector: Connector, *claims: Claim
) -> tuple[list[Outcome], ...]:
    limit = asyncio.Semaphore(connection.concurrency)
    steps = (_send, _look_up, _read_again)
    async with open_session(connection) as session:
        return tuple(
            await asyncio.gather(
                *(
                    _each(limit, step, session, connector, claim.postings)
                    for step, claim in zip(steps, claims, strict=True)
                )
            )
        )


async def _each(
    limit: asyncio.Semaphore,
    step: Callable[[Session, Connector, Posting], Awaitable[Outcome]],
    session: Session,
    connector: Connector,
    postings: Sequence[Posting],
) -> list[Outcome]:
    async def one(posting: Posting) -> Outcome:
        async with limit:
            about = session.about("postings.posting", posting.id, posting.journey_id)
            return await _guarded(step(about, connector, posting), posting)

    return list(await asyncio.gather(*(one(posting) for posting in postings)))


async def _guarded(call: Awaitable[Outcome], posting: Posting) -> Outcome:
    """A fault of our own connector is an unknown outcome, never a crash of the lane."""
    try:
        return await call
    except HubError as error:
        return Outcome(error=error)
    except Exception as error:
        logger.exception("connector fault on posting %s", posting.id)
        return Outcome(
            error=OutcomeUnknownError(
                "connector_fault",
                "The connector failed on the answer. The hub looks the document up before "
                "anything is sent again.",
                detail=f"{type(error).__name__}: {error}",
            )
        )


def call_of(posting: Posting) -> OutboundCall:
    """The call of a posting: same key and bytes each time, until its payload is revised."""
    return OutboundCall(
        operation=posting.operation,
        reference=posting.reference,
        idempotency_key=vendor_key(posting.key, posting.payload_revision),
        payload=_request_of(posting),
    )


def _request_of(posting: Posting) -> dict[str, Any]:
    return dict(posting.request or {})


async def _send(session: Session, connector: Connector, posting: Posting) -> Outcome:
    call = call_of(posting)
    failpoint("posting.after_sending_before_send")
    written = await connector.write(session, call)
    failpoint("posting.after_send")
    try:
        return Outcome(written, await connector.read_back(session, call, written))
    except HubError as error:
        # The write stands; only its confirmation is owed.
        return Outcome(written, error=error)


async def _look_up(session: Session, connector: Connector, posting: Posting) -> Outcome:
    call = call_of(posting)
    written = await connector.look_up(session, call)
    failpoint("lookup.after_answer")
    if written is None:
        return Outcome()
    return Outcome(written, await connector.read_back(session, call, written))


async def _read_again(session: Session, connector: Connector, posting: Posting) -> Outcome:
    written = Written(posting.external_id, str(posting.result.get("number", "")), posting.result)
    return Outcome(written, await connector.read_back(session, call_of(posting), written))
