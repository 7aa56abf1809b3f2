"""Committing what calls came back with: each result fenced by its claim, events in the same
transaction, one case for what a person must help."""

import datetime as dt
import random
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection as database

from apps.connectors.lanes.counts import give_back
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.codec import to_json
from apps.core.errors import (
    ConfigurationError,
    ErrorFacts,
    HubError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_rows
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.exceptions.services import open_cases, park_dead_letters
from apps.mappings.policies import RowAtFault
from apps.mappings.selectors import find_rows_at_fault
from apps.mappings.services import link_references
from apps.mappings.types import ReferenceDraft, Refusal
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import Posting
from apps.postings.policies import (
    MAX_ATTEMPTS,
    counts_as_attempt,
    differences,
    retry_delay,
    tells_of_earlier,
)
from apps.postings.services.attempts import Tried, close_attempts, refuse_writes
from apps.postings.services.bury import dead_letter
from apps.postings.services.claim import LANE, WORKER_LOST, Held, claim_columns
from apps.postings.types import Outcome

# A result is written only under the claim it was called under.
FENCE = (
    "(target.id, target.claimed_by, target.claim_epoch) IN "
    "(SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[]))"
)
_POSTPONE = """
UPDATE postings_posting AS p SET lookups = given.lookups, due_at = given.due_at
FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::int[], %s::timestamptz[])
    AS given(id, token, epoch, lookups, due_at)
WHERE p.id = given.id AND p.state IN ('unknown', 'posted') AND p.claimed_by = given.token
  AND p.claim_epoch = given.epoch
RETURNING p.id
"""
READ_AGAIN = dt.timedelta(seconds=15)  # after a confirmation that could not be read


class Settlement:
    """Results of a lane, gathered by what becomes of each posting, then written in sets."""

    def __init__(self, connection: Connection, now: dt.datetime) -> None:
        self.connection, self.now = connection, now
        self.moves: dict[str, list[tuple[Held, dict[str, Any]]]] = {}
        self.cases: list[tuple[Posting, ErrorFacts]] = []
        self.dead: list[tuple[Posting, ErrorFacts]] = []
        self.outcomes: list[Tried] = []
        self.later: list[tuple[Held, dt.datetime]] = []
        self.through = 0  # retries that the platform took

    def move(self, held: Held, name: str, **values: Any) -> None:
        """Plan one transition with the columns it sets."""
        self.moves.setdefault(name, []).append((held, values))

    def note(self, held: Held, outcome: str, error: ErrorFacts | None = None) -> None:
        self.outcomes.append(Tried(held, outcome, error))

    def postpone(self, held: Held, until: dt.datetime) -> None:
        """Plan to ask again at a moment; the posting's count of lookups goes along."""
        self.later.append((held, until))

    def commit(self, order: Sequence[str], events: dict[str, str]) -> None:
        """Write everything in one transaction. What another claim holds since is refused, counted
        and dropped: this worker does nothing more about it."""
        with acting(LANE):
            moved: dict[str, list[Posting]] = {name: self._transition(name) for name in order}
            done = {p.id for postings in moved.values() for p in postings}
            late = [
                (h, n) for n, ms in self.moves.items() for h, _ in ms if h.posting.id not in done
            ]
            self._refuse([*late, *self._write_postponed()])
            self._link(moved.get("post", []))
            self._publish(moved, events)
            self._open({held.posting.id for held, _ in late})
            close_attempts(self.outcomes, now=self.now)
            give_back(self.connection.id, retries=self.through)
            if moved.get("hold") or moved.get("post"):
                enqueue_on_commit("postings.run_lane", str(self.connection.id), queue="lanes")
            failpoint("posting.after_result_before_commit")
        failpoint("posting.after_commit")

    def _write_postponed(self) -> list[tuple[Held, str]]:
        """Returns those that another claim holds since."""
        if not self.later:
            return []
        claims = [held for held, _ in self.later]
        counts, moments = [h.posting.lookups for h in claims], [at for _, at in self.later]
        with database.cursor() as cursor:
            cursor.execute(_POSTPONE, [*claim_columns(claims), counts, moments])
            written = {row[0] for row in cursor.fetchall()}
        return [(held, "ask") for held in claims if held.posting.id not in written]

    def _refuse(self, late: Sequence[tuple[Held, str]]) -> None:
        """Count and tell of results that came under a claim that is over: what another worker
        has taken over stays as it is."""
        refuse_writes(self.connection.id, late, now=self.now)
        overtaken = {held.posting.id: held.posting for held, _ in late}
        publish_events(
            [posting_event(p, "stale_refused") for p in overtaken.values()],
            actor=LANE,
            now=self.now,
        )

    def _transition(self, name: str) -> list[Posting]:
        pairs = self.moves.get(name, [])
        done: list[Posting] = []
        for columns in {tuple(sorted(values)) for _, values in pairs}:
            same = [(h, v) for h, v in pairs if tuple(sorted(v)) == columns]
            rows = [(h.posting.id, v) for h, v in same]
            claims = claim_columns([h for h, _ in same])
            ids = set(transition_rows(Posting, name, rows, where=FENCE, params=claims))
            for held, values in same:
                if held.posting.id in ids:
                    for column, value in values.items():
                        setattr(held.posting, column, value)
                    done.append(held.posting)
        return done

    def _publish(self, moved: dict[str, list[Posting]], events: dict[str, str]) -> None:
        publish_events(
            [posting_event(p, events[name]) for name in events for p in moved.get(name, [])],
            actor=LANE,
            now=self.now,
        )

    def _link(self, posted: list[Posting]) -> None:
        """Note which object of theirs each document became."""
        link_references(
            [
                ReferenceDraft(
                    connection_id=self.connection.id,
                    object_type=posting.operation.split(".")[0],
                    external_id=posting.external_id,
                    record_type=posting.document_type,
                    record_id=posting.document_id,
                    legal_entity_id=posting.legal_entity_id,
                    label=str(posting.result.get("number", ""))[:120],
                )
                for posting in posted
                if not posting.operation.startswith(("tax.", "quote."))
            ]
        )

    def _open(self, late: set[uuid.UUID]) -> None:
        code, role = self.connection.code, self.connection.role
        cases = [(p, e) for p, e in self.cases if p.id not in late]
        rows = self._rows_at_fault(cases)
        open_cases(
            [posting_case(p, e, code, role, rows.get(p.id)) for p, e in cases],
            actor=LANE,
            now=self.now,
        )
        park_dead_letters(
            [dead_letter(p, e, code) for p, e in self.dead if p.id not in late],
            actor=LANE,
            now=self.now,
        )

    def _rows_at_fault(
        self, cases: Sequence[tuple[Posting, ErrorFacts]]
    ) -> dict[uuid.UUID, RowAtFault | None]:
        """Which row of a value map made a value that the platform does not know, by posting."""
        unknown = [(p, e) for p, e in cases if e.code == "unknown_reference"]
        refusals = [
            Refusal(
                mapping=f"{self.connection.vendor}.{posting.operation}.out",
                document=posting.payload,
                words=f"{error.message} {error.detail}",
                scope=posting.legal_entity.code if posting.legal_entity else "",
            )
            for posting, error in unknown
        ]
        found = find_rows_at_fault(refusals)
        return {posting.id: row for (posting, _), row in zip(unknown, found, strict=True)}


SEND_ORDER = ("post", "confirm", "reject", "hold", "lose_track", "bury", "park")
SEND_EVENTS = {
    "confirm": "confirmed", "reject": "rejected", "lose_track": "unknown", "bury": "dead",
    "park": "parked",
}  # fmt: skip


def settle_sends(
    connection: Connection, done: Sequence[tuple[Held, Outcome]], *, now: dt.datetime
) -> None:
    """Commit the results of sends: posted and confirmed, refused, held, unknown or dead."""
    settlement = Settlement(connection, now)
    for held, outcome in done:
        if outcome.written is not None:
            why = held.posting.error_code  # it was sent again
            settlement.through += why not in ("", WORKER_LOST)
            accept(settlement, held, outcome)
        elif outcome.unsent:
            _hand_back(settlement, held)
        elif outcome.error is not None:
            _refuse(settlement, held, outcome.error)
    settlement.commit(SEND_ORDER, SEND_EVENTS)


def _hand_back(settlement: Settlement, held: Held) -> None:
    """Queue again what was not sent, burning no attempt; one overtaken since is left alone."""
    attempts = held.posting.attempts - 1
    settlement.move(held, "hold", attempts=attempts, due_at=settlement.now, unsettled_since=None)
    settlement.note(held, "not_sent")


def accept(settlement: Settlement, held: Held, outcome: Outcome) -> None:
    """The document stands at the vendor: confirm it when it says what we meant."""
    written, posting = outcome.written, held.posting
    assert written is not None  # noqa: S101 - the caller checked
    result = to_json({**written.data, "number": written.number})
    if posting.state != "posted":
        settlement.move(
            held, "post", external_id=written.external_id, result=result,
            due_at=settlement.now, doubtful_since=None,
            unsettled_since=posting.unsettled_since or settlement.now,
        )  # fmt: skip
    if outcome.reading is None:
        settlement.note(held, "posted", outcome.error.facts if outcome.error else None)
        return
    capability = connector_for(settlement.connection.vendor).capabilities[posting.operation]
    unlike = differences(posting.payload.get("meant", {}), outcome.reading, capability.shows)
    if not unlike:
        # A document that people took over came with its id alone; later steps need the rest.
        whole = to_json({**outcome.reading.data, **result})
        settlement.move(
            held, "confirm", error_code="", error_message="", result=whole, unsettled_since=None
        )
        settlement.note(held, "confirmed")
        return
    error = ErrorFacts(
        "amount_incident",
        f"{settlement.connection.name} shows {written.number or written.external_id} otherwise "
        f"than it was sent. {'; '.join(unlike)}. Compare both documents before you decide.",
        detail=f"external id {written.external_id}",
    )
    settlement.move(
        held, "park", error_code=error.code, error_message=error.message, unsettled_since=None
    )
    settlement.cases.append((posting, error))
    settlement.note(held, "differs", error)


def _refuse(settlement: Settlement, held: Held, error: HubError) -> None:
    facts, posting = error.facts, held.posting
    values: dict[str, Any] = {
        "error_code": facts.code,
        "error_message": facts.message,
        "error_detail": facts.detail,
        "error_field": facts.field[:120],
        "attempts": posting.attempts,
    }
    closed = settlement.connection.circuit == "closed"
    if not isinstance(error, RejectedError) and not (
        counts_as_attempt(facts.code, circuit_closed=closed)
    ):
        values["attempts"] = posting.attempts - 1
    if _says_nothing_of_earlier(settlement, posting, error, values["attempts"]):
        # Looked up whatever the platform promises: first_sent_at None says that no key protects.
        settlement.move(
            held, "lose_track", error_kind="unknown", due_at=settlement.now,
            first_sent_at=None, **values,
        )  # fmt: skip
    elif isinstance(error, RejectedError):
        settlement.move(
            held,
            "reject",
            error_kind="rejected",
            unsettled_since=None,
            doubtful_since=settlement.now if error.partly else None,
            **values,
        )
        settlement.cases.append((posting, facts))
    elif isinstance(error, OutcomeUnknownError):
        due = settlement.now + retry_delay(posting.attempts, random.random(), None)  # noqa: S311
        settlement.move(
            held, "lose_track", error_kind="unknown", due_at=due,
            doubtful_since=posting.doubtful_since or settlement.now, **values,
        )  # fmt: skip
    elif isinstance(error, ConfigurationError):
        values["attempts"] = posting.attempts - 1
        settlement.move(
            held, "hold", error_kind="configuration", due_at=settlement.now,
            unsettled_since=None, **values,
        )  # fmt: skip
    else:
        _hold_or_bury(settlement, held, error, values)
    settlement.note(held, type(error).__name__, facts)


def _says_nothing_of_earlier(
    settlement: Settlement, posting: Posting, error: HubError, attempts: int
) -> bool:
    """Whether this answer would end the posting although an earlier dispatch of it, of which no
    answer came, may stand at the platform."""
    if posting.doubtful_since is None:
        return False
    if isinstance(error, RejectedError):
        capabilities = connector_for(settlement.connection.vendor).capabilities
        return not tells_of_earlier(capabilities[posting.operation])
    return isinstance(error, TransientError) and attempts >= MAX_ATTEMPTS


def _hold_or_bury(
    settlement: Settlement, held: Held, error: HubError, values: dict[str, Any]
) -> None:
    """A transient failure waits with jitter; past its attempts it becomes a dead letter."""
    posting = held.posting
    named = error.retry_after if isinstance(error, TransientError) else None
    due = settlement.now + retry_delay(posting.attempts, random.random(), named)  # noqa: S311
    settlement.move(
        held, "hold", error_kind="transient", due_at=due, unsettled_since=None, **values
    )
    if values["attempts"] < MAX_ATTEMPTS:
        return
    name = settlement.connection.name
    facts = ErrorFacts(
        "vendor_outage",
        f"{name} did not take the document in {posting.attempts} attempts. "
        f"When {name} is well again, retry; nothing was written there.",
        detail=error.facts.detail or error.facts.message,
        vendor_code=error.facts.vendor_code,
        request_id=error.facts.request_id,
    )
    settlement.move(held, "bury", error_message=facts.message)
    settlement.cases.append((posting, facts))
    settlement.dead.append((posting, facts))


def settle_read_backs(
    connection: Connection, done: Sequence[tuple[Held, Outcome]], *, now: dt.datetime
) -> None:
    """Commit confirmations that were still owed; a failed reading is tried again later."""
    settlement = Settlement(connection, now)
    for held, outcome in done:
        if outcome.reading is not None:
            accept(settlement, held, outcome)
        else:
            error = outcome.error.facts if outcome.error else None
            settlement.note(held, "handed_back" if outcome.unsent else "read_failed", error)
            settlement.postpone(held, settlement.now + _until_read_again(outcome))
    settlement.commit(("confirm", "park"), {"confirm": "confirmed", "park": "parked"})


def _until_read_again(outcome: Outcome) -> dt.timedelta:
    """The platform may say when: it has taken the document and works on it."""
    if outcome.unsent:
        return dt.timedelta(0)
    wait = outcome.error.retry_after if isinstance(outcome.error, TransientError) else None
    return READ_AGAIN if wait is None else dt.timedelta(seconds=wait)
