"""Unknown outcomes: looked up before anything is sent twice (the posting protocol, step 5)."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.connectors.base import Connector
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.errors import ErrorFacts, TransientError
from apps.core.fsm import transition_rows
from apps.events.services import acting, publish_events
from apps.exceptions.services import open_cases
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import Posting
from apps.postings.policies import CLAIM_TTL, MAX_ATTEMPTS, UnknownPlan, after_unknown
from apps.postings.services.claim import LANE, Claim, due_heads, note_try
from apps.postings.services.settle import SEND_EVENTS, SEND_ORDER, Settlement, accept, hand_back
from apps.postings.types import Outcome


def claim_states(
    connection: Connection, states: list[str], kind: str, worker: str, limit: int, now: dt.datetime
) -> Claim:
    """Put our token on due heads in the given states without changing their state."""
    token = f"{worker}:{uuid.uuid4().hex[:8]}"
    with acting(LANE):
        ids = due_heads(connection, states, limit)
        Posting.objects.filter(id__in=ids).update(
            claimed_by=token, due_at=now + CLAIM_TTL, claimed_until=now + CLAIM_TTL
        )
        claim = Claim(token, list(Posting.objects.filter(id__in=ids)))
        note_try(claim, kind, worker, now)
    return claim


def sort_unknown(
    connection: Connection, connector: Connector, *, worker: str, limit: int, now: dt.datetime
) -> Claim:
    """Send again or park what the capability allows at once; claim the rest for a lookup."""
    claim = claim_states(connection, ["unknown"], "lookup", worker, limit, now)
    again: list[Posting] = []
    parked: list[Posting] = []
    wanted: list[Posting] = []
    for posting in claim.postings:
        capability = connector.capabilities[posting.operation]
        sent_ago = now - posting.first_sent_at if posting.first_sent_at else None
        plan = after_unknown(capability, sent_ago, posting.lookups)
        if plan.action == "send_again" and posting.attempts >= MAX_ATTEMPTS:
            plan = UnknownPlan("park")
        {"send_again": again, "park": parked, "look_up": wanted}[plan.action].append(posting)
    with acting(LANE):
        transition_rows(Posting, "send_again", [(p.id, {"due_at": now}) for p in again])
        _park(connection, parked, now)
    return Claim(claim.token, wanted)


def _park(connection: Connection, postings: list[Posting], now: dt.datetime) -> None:
    if not postings:
        return
    error = ErrorFacts(
        "unknown_outcome_needs_decision",
        f"{connection.name} gave no answer and cannot be asked by reference. Check there whether "
        f"the document exists, then decide; a second person approves.",
    )
    transition_rows(
        Posting,
        "park",
        [(p.id, {"error_code": error.code, "error_message": error.message}) for p in postings],
    )
    publish_events([posting_event(p, "parked") for p in postings], actor=LANE, now=now)
    open_cases(
        [posting_case(p, error, connection.code, connection.role) for p in postings],
        actor=LANE,
        now=now,
    )


def settle_lookups(
    connection: Connection, claim: Claim, outcomes: Sequence[Outcome], *, now: dt.datetime
) -> None:
    """Adopt what was found when it says what we meant; count what was absent."""
    if not claim.postings:
        return
    settlement = Settlement(connection, claim, now)
    for posting, outcome in zip(claim.postings, outcomes, strict=True):
        if outcome.written is not None:
            accept(settlement, posting, outcome)
        elif outcome.unsent:
            hand_back(settlement, posting)
        else:
            _count_absence(settlement, posting, outcome)
    settlement.commit(SEND_ORDER, SEND_EVENTS)


def _count_absence(settlement: Settlement, posting: Posting, outcome: Outcome) -> None:
    able = connector_for(settlement.connection.vendor).capabilities[posting.operation]
    wait = max(dt.timedelta(seconds=2), able.visibility_lag)  # between two absences
    if outcome.error is None:
        posting.lookups += 1
    elif isinstance(outcome.error, TransientError) and outcome.error.retry_after:
        wait = dt.timedelta(seconds=outcome.error.retry_after)
    Posting.objects.filter(id=posting.id, claimed_by=settlement.claim.token).update(
        lookups=posting.lookups, due_at=settlement.now + wait
    )
    settlement.note(
        posting, "absent" if outcome.error is None else "lookup_failed",
        outcome.error.facts if outcome.error else None,
    )  # fmt: skip
