"""Unknown outcomes: looked up before anything is sent twice (the posting protocol, step 5)."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection as database

from apps.connectors.base import Connector
from apps.connectors.lanes.counts import count
from apps.connectors.lanes.work import CLAIM_TTL
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.errors import ErrorFacts, TransientError
from apps.core.fsm import transition_rows
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.exceptions.services import open_cases
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import Attempt, Posting
from apps.postings.policies import ABSENCES, UnknownPlan, after_unknown
from apps.postings.services.attempts import refuse_writes
from apps.postings.services.bury import bury_postings
from apps.postings.services.claim import LANE, Claim, Held, attempt, due_heads, new_token
from apps.postings.services.settle import (
    SEND_EVENTS,
    SEND_ORDER,
    Settlement,
    accept,
)
from apps.postings.types import Outcome

_HOLD = """
UPDATE postings_posting SET claimed_by = %s, claim_epoch = claim_epoch + 1,
    due_at = clock_timestamp() + make_interval(secs => %s),
    claimed_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = ANY(%s) AND state = ANY(%s) RETURNING id
"""


def claim_states(
    connection: Connection, states: list[str], kind: str, worker: str, limit: int, now: dt.datetime
) -> Claim:
    """Put our token on due heads in the given states without changing their state."""
    token = new_token(worker)
    with acting(LANE):
        ids = due_heads(connection, states, limit)
        if not ids:
            return Claim(token, [])
        seconds = CLAIM_TTL.total_seconds()
        with database.cursor() as cursor:
            cursor.execute(_HOLD, [token, seconds, seconds, ids, states])
            held = [row[0] for row in cursor.fetchall()]
        claim = Claim(token, list(Posting.objects.filter(id__in=held).order_by("due_at")))
        if kind == "read_back":
            _note_tries(claim, kind, worker, now)
            count(connection.id, reads=len(held))
    return claim


def _note_tries(claim: Claim, kind: str, worker: str, now: dt.datetime) -> None:
    Attempt.objects.bulk_create(
        [attempt(p, kind, worker, claim.token, now) for p in claim.postings]
    )


def sort_unknown(
    connection: Connection, connector: Connector, *, worker: str, limit: int, now: dt.datetime
) -> Claim:
    """Send again, park or bury what the capability allows at once; claim the rest for a lookup."""
    claim = claim_states(connection, ["unknown"], "lookup", worker, limit, now)
    sorted_by: dict[str, list[Posting]] = {"send_again": [], "park": [], "bury": [], "look_up": []}
    with acting(LANE):
        for posting in _still_held(connection, claim, now):
            sorted_by[_plan(connector, posting, now).action].append(posting)
        wanted = Claim(claim.token, sorted_by["look_up"])
        again = sorted_by["send_again"]
        absent = [p for p in again if p.lookups >= ABSENCES]
        transition_rows(
            Posting, "send_again", [(p.id, {"due_at": now}) for p in again if p not in absent]
        )
        # Known not to be there: it goes as if for the first time.
        gone = {"due_at": now, "first_sent_at": None, "doubtful_since": None}
        transition_rows(Posting, "send_again", [(p.id, gone) for p in absent])
        if again:
            enqueue_on_commit("postings.run_lane", str(connection.id), queue="lanes")
        _park(connection, sorted_by["park"], now)
        bury_postings(connection, sorted_by["bury"], _crashed(connection), now=now)
        _note_tries(wanted, "lookup", worker, now)
        count(connection.id, lookups=len(wanted.postings))
    return wanted


def _still_held(connection: Connection, claim: Claim, now: dt.datetime) -> list[Posting]:
    """Lock what is still ours: a worker that was frozen meanwhile must not decide about a call
    that another one made after it."""
    ids = [posting.id for posting in claim.postings]
    ours = Posting.objects.select_for_update().filter(
        id__in=ids, state="unknown", claimed_by=claim.token
    )
    held = set(ours.values_list("id", flat=True))
    late = [(Held(p, claim.token), "sort") for p in claim.postings if p.id not in held]
    refuse_writes(connection.id, late, now=now)
    return [posting for posting in claim.postings if posting.id in held]


def _plan(connector: Connector, posting: Posting, now: dt.datetime) -> UnknownPlan:
    capability = connector.capabilities[posting.operation]
    sent_ago = now - posting.first_sent_at if posting.first_sent_at else None
    return after_unknown(capability, sent_ago, posting.lookups, posting.attempts)


def _crashed(connection: Connection) -> ErrorFacts:
    return ErrorFacts(
        "attempts_used_up",
        f"{connection.name} was sent this document five times and no attempt came to an end. It "
        f"is not there. Find out what stops the worker or the platform, then redrive it.",
    )


def _park(connection: Connection, postings: list[Posting], now: dt.datetime) -> None:
    if not postings:
        return
    error = ErrorFacts(
        "unknown_outcome_needs_decision",
        f"{connection.name} gave no answer and cannot be asked by reference. Check there whether "
        f"the document exists, then decide; a second person approves.",
    )
    values = {"error_code": error.code, "error_message": error.message, "unsettled_since": None}
    transition_rows(Posting, "park", [(p.id, values) for p in postings])
    publish_events([posting_event(p, "parked") for p in postings], actor=LANE, now=now)
    open_cases(
        [posting_case(p, error, connection.code, connection.role) for p in postings],
        actor=LANE,
        now=now,
    )


def settle_lookups(
    connection: Connection, done: Sequence[tuple[Held, Outcome]], *, now: dt.datetime
) -> None:
    """Adopt what was found when it says what we meant; count what was absent."""
    settlement = Settlement(connection, now)
    for held, outcome in done:
        if outcome.written is not None:
            accept(settlement, held, outcome)
        else:
            until = settlement.now + _until_asked_again(settlement, held, outcome)
            settlement.postpone(held, until)
    settlement.commit(SEND_ORDER, SEND_EVENTS)


def _until_asked_again(settlement: Settlement, held: Held, outcome: Outcome) -> dt.timedelta:
    """An absence counts, and the platform's lag has to pass before the next lookup."""
    error, posting = outcome.error, held.posting
    if outcome.unsent:
        settlement.note(held, "handed_back")
        return dt.timedelta(0)
    settlement.note(held, "lookup_failed" if error else "absent", error.facts if error else None)
    if isinstance(error, TransientError) and error.retry_after:
        return dt.timedelta(seconds=error.retry_after)
    if error is None:
        posting.lookups += 1
    return _plan(connector_for(settlement.connection.vendor), posting, settlement.now).wait
