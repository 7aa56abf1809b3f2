"""A lane's postings: sends, read-backs that are owed, and lookups of unknown outcomes.

The lane itself (apps.connectors.lanes) owns the call budget; here is what is claimed for it, which
calls are made of it, and what is committed. Calls happen between transactions.
"""

from collections.abc import Awaitable, Callable, Sequence
from copy import copy

from apps.connectors.base import Connector, OutboundCall, Written
from apps.connectors.errors import error_for
from apps.connectors.http import Session
from apps.connectors.lanes.work import UNASKED, Done, Job, Lane, Priority
from apps.core.clock import utc_now
from apps.core.errors import HubError
from apps.core.failpoints import failpoint
from apps.postings.models import Posting
from apps.postings.policies import may_still_send, vendor_key
from apps.postings.selectors import due_states
from apps.postings.services.claim import Claim, Held, claim_sends, expire_claims, renew_claims
from apps.postings.services.settle import settle_read_backs, settle_sends
from apps.postings.services.unknown import claim_states, settle_lookups, sort_unknown
from apps.postings.types import Outcome

Step = Callable[[Session, Connector, Posting], Awaitable[Outcome]]


class _OfPostings:
    """What all three have in common: each job holds a posting under its claim."""

    def renew(self, lane: Lane, jobs: Sequence[Job]) -> None:
        renew_claims([job.item for job in jobs])


class Sends(_OfPostings):
    """New writes: the heads of their ordering keys."""

    name, priority = "postings.send", Priority.POSTING

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        if lane.draining or not due_states(lane.connection.id, ["queued"]):
            return []
        claim = claim_sends(lane.connection, worker=lane.worker, limit=room, now=lane.now)
        return _jobs(lane, claim, _send, writes=True)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        settle_sends(lane.connection, _held(done), now=lane.now)


class ReadBacks(_OfPostings):
    """Confirmations that are still owed: the write stands, reading it failed."""

    name, priority = "postings.read_back", Priority.POSTING

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        if not due_states(lane.connection.id, ["posted"]):
            return []
        claim = claim_states(lane.connection, ["posted"], "read_back", lane.worker, room, lane.now)
        return _jobs(lane, claim, _read_again, writes=False)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        settle_read_backs(lane.connection, _held(done), now=lane.now)


class Lookups(_OfPostings):
    """Unknown outcomes: looked up before anything is sent twice."""

    name, priority = "postings.look_up", Priority.LOOKUP

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        due = due_states(lane.connection.id, ["unknown", "sending"])
        if not due:
            return []
        if "sending" in due:
            expire_claims(lane.connection, lane.now)
        claim = sort_unknown(
            lane.connection, lane.connector, worker=lane.worker, limit=room, now=lane.now
        )
        return _jobs(lane, claim, _look_up, writes=False)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        settle_lookups(lane.connection, _held(done), now=lane.now)


def _jobs(lane: Lane, claim: Claim, step: Step, *, writes: bool) -> list[Job]:
    return [
        Job(Held(posting, claim.token), _call(lane, step, posting), lane.born, writes)
        for posting in claim.postings
    ]


def _call(lane: Lane, step: Step, posting: Posting) -> Callable[[Session], Awaitable[Outcome]]:
    async def run(session: Session) -> Outcome:
        about = session.about("postings.posting", posting.id, posting.journey_id)
        return await step(about, lane.connector, posting)

    return run


def _held(done: Sequence[Done]) -> list[tuple[Held, Outcome]]:
    """Each posting with what its call came back with; a copy, as planning a settlement changes it
    and the lane settles anew what could not be written."""
    return [(Held(copy(one.job.item.posting), one.job.item.token), _outcome(one)) for one in done]


def _outcome(done: Done) -> Outcome:
    if done.error is None:
        outcome: Outcome = done.value
        return outcome
    return Outcome(error=done.error, unsent=done.error.facts.code in UNASKED)


def call_of(posting: Posting) -> OutboundCall:
    """The call of a posting: same key and bytes each time, until its payload is revised."""
    return OutboundCall(
        operation=posting.operation,
        reference=posting.reference,
        idempotency_key=vendor_key(posting.key, posting.payload_revision),
        payload=dict(posting.request or {}),
    )


async def _send(session: Session, connector: Connector, posting: Posting) -> Outcome:
    call = call_of(posting)
    if call.operation not in connector.capabilities:
        raise error_for(
            "rejected_by_vendor",
            f"{session.vendor_name} has no {call.operation} in this hub: its connector does not "
            f"declare what to do after a lost answer, so nothing was sent.",
        )
    failpoint("posting.after_sending_before_send", call.operation)
    if not may_still_send(posting.claimed_until, utc_now()):
        raise error_for(
            "claim_too_old",
            f"The worker was too slow to send this to {session.vendor_name}. Nothing was sent; "
            f"the hub goes on.",
        )
    written = await connector.write(session, call)
    failpoint("posting.after_send", call.operation)
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
