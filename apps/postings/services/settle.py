"""Committing what calls came back with: each result fenced by its claim, events in the same
transaction, one case for what a person must help."""

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from apps.connectors.models import Connection
from apps.connectors.services import note_failure, note_success, pause_connection
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
from apps.exceptions.types import DeadLetterDraft
from apps.mappings.policies import RowAtFault
from apps.mappings.selectors import find_row_at_fault
from apps.mappings.services import link_references
from apps.mappings.types import ReferenceDraft
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import Attempt, Posting
from apps.postings.policies import MAX_ATTEMPTS, differences, retry_delay
from apps.postings.services.claim import LANE, Claim
from apps.postings.types import Outcome

FENCE = "target.claimed_by = %s"


class Settlement:
    """The results of one claim, gathered by what becomes of each posting, then written in sets."""

    def __init__(self, connection: Connection, claim: Claim, now: dt.datetime) -> None:
        self.connection, self.claim, self.now = connection, claim, now
        self.moves: dict[str, list[tuple[Posting, dict[str, Any]]]] = {}
        self.cases: list[tuple[Posting, ErrorFacts]] = []
        self.dead: list[tuple[Posting, ErrorFacts]] = []
        self.outcomes: list[tuple[Posting, str, ErrorFacts | None]] = []

    def move(self, posting: Posting, name: str, **values: Any) -> None:
        """Plan one transition with the columns it sets."""
        self.moves.setdefault(name, []).append((posting, values))

    def note(self, posting: Posting, outcome: str, error: ErrorFacts | None = None) -> None:
        self.outcomes.append((posting, outcome, error))

    def commit(self, order: Sequence[str], events: dict[str, str]) -> None:
        """Write everything in one transaction; one claimed by another since is left alone."""
        with acting(LANE):
            moved: dict[str, list[Posting]] = {}
            for name in order:
                moved[name] = self._transition(name)
            stale = {p.id for p, _ in self._all()} - {p.id for m in moved.values() for p in m}
            self._link(moved.get("post", []))
            self._publish(moved, events)
            self._open(stale)
            self._tell_stale(stale)
            self._close_attempts(stale)
            if moved.get("hold") or moved.get("post"):
                enqueue_on_commit("postings.run_lane", str(self.connection.id), queue="lanes")
            failpoint("posting.after_result_before_commit")
        failpoint("posting.after_commit")

    def _all(self) -> list[tuple[Posting, dict[str, Any]]]:
        return [pair for pairs in self.moves.values() for pair in pairs]

    def _transition(self, name: str) -> list[Posting]:
        pairs = self.moves.get(name, [])
        done: list[Posting] = []
        for columns in {tuple(sorted(values)) for _, values in pairs}:
            same = [(p, v) for p, v in pairs if tuple(sorted(v)) == columns]
            ids = set(
                transition_rows(
                    Posting,
                    name,
                    [(p.id, v) for p, v in same],
                    where=FENCE,
                    params=[self.claim.token],
                )
            )
            for posting, values in same:
                if posting.id in ids:
                    for column, value in values.items():
                        setattr(posting, column, value)
                    done.append(posting)
        return done

    def _publish(self, moved: dict[str, list[Posting]], events: dict[str, str]) -> None:
        publish_events(
            [
                posting_event(posting, events[name])
                for name in events
                for posting in moved.get(name, [])
            ],
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
                    label=str(posting.result.get("number", "")),
                )
                for posting in posted
                if not posting.operation.startswith(("tax.", "quote."))
            ]
        )

    def _open(self, stale: set[Any]) -> None:
        code, role = self.connection.code, self.connection.role
        open_cases(
            [
                posting_case(p, e, code, role, self._row_at_fault(p, e))
                for p, e in self.cases
                if p.id not in stale
            ],
            actor=LANE,
            now=self.now,
        )
        park_dead_letters(
            [_dead_letter(p, e, code) for p, e in self.dead if p.id not in stale],
            actor=LANE,
            now=self.now,
        )

    def _row_at_fault(self, posting: Posting, error: ErrorFacts) -> RowAtFault | None:
        """Which row of a value map made the value that the platform does not know."""
        if error.code != "unknown_reference":
            return None
        entity = posting.legal_entity.code if posting.legal_entity else ""
        mapping = f"{self.connection.vendor}.{posting.operation}.out"
        words = f"{error.message} {error.detail}"
        return find_row_at_fault(mapping, posting.payload, words, entity)

    def _tell_stale(self, stale: set[Any]) -> None:
        """What another worker has taken over stays as it is; that it was tried is kept."""
        late = {p.id: p for p, _ in self._all() if p.id in stale}
        publish_events(
            [posting_event(p, "stale_refused") for p in late.values()], actor=LANE, now=self.now
        )

    def _close_attempts(self, stale: set[Any]) -> None:
        """The open tries get their outcome; one taken over has an open try of somebody else."""
        for posting, outcome, error in self.outcomes:
            if posting.id in stale:
                continue
            Attempt.objects.filter(posting=posting, finished_at__isnull=True).update(
                finished_at=self.now,
                outcome=outcome,
                error_code=error.code if error else "",
                error_message=error.message if error else "",
            )


def _dead_letter(posting: Posting, error: ErrorFacts, code: str) -> DeadLetterDraft:
    return DeadLetterDraft(
        origin_type="postings.posting",
        origin_id=posting.id,
        connection_code=code,
        message_type=posting.operation,
        error_code=error.code,
        error_message=error.message,
        attempts=posting.attempts,
        ordering_key=posting.ordering_key,
        legal_entity_id=posting.legal_entity_id,
        amount=posting.amount,
        currency=posting.currency,
        journey_id=posting.journey_id,
    )


SEND_ORDER = ("post", "confirm", "reject", "hold", "lose_track", "bury", "park")
SEND_EVENTS = {
    "confirm": "confirmed", "reject": "rejected", "lose_track": "unknown", "bury": "dead",
    "park": "parked",
}  # fmt: skip


def settle_sends(
    connection: Connection, claim: Claim, outcomes: Sequence[Outcome], *, now: dt.datetime
) -> None:
    """Commit the results of sends: posted and confirmed, refused, held, unknown or dead."""
    if not claim.postings:
        return
    settlement = Settlement(connection, claim, now)
    for posting, outcome in zip(claim.postings, outcomes, strict=True):
        if outcome.written is not None:
            accept(settlement, posting, outcome)
        elif outcome.unsent:
            _hand_back(settlement, posting)
        elif outcome.error is not None:
            _refuse(settlement, posting, outcome.error)
    settlement.commit(SEND_ORDER, SEND_EVENTS)
    _note_health(connection, [o.error for o in outcomes if not o.unsent], now)


def _hand_back(settlement: Settlement, posting: Posting) -> None:
    """Queue again what was not sent, burning no attempt; one overtaken since is left alone."""
    due = settlement.now
    settlement.move(posting, "hold", attempts=posting.attempts - 1, due_at=due)
    settlement.note(posting, "not_sent")


def accept(settlement: Settlement, posting: Posting, outcome: Outcome) -> None:
    """The document stands at the vendor: confirm it when it says what we meant."""
    written = outcome.written
    assert written is not None  # noqa: S101 - the caller checked
    result = to_json({**written.data, "number": written.number})
    values = {"external_id": written.external_id, "result": result, "due_at": settlement.now}
    if posting.state != "posted":
        settlement.move(posting, "post", **values)
    if outcome.reading is None:
        settlement.note(posting, "posted", outcome.error.facts if outcome.error else None)
        return
    unlike = differences(posting.payload.get("meant", {}), outcome.reading)
    if not unlike:
        # A document that people took over came with its id alone; later steps need the rest.
        whole = to_json({**outcome.reading.data, **result})
        settlement.move(posting, "confirm", error_code="", error_message="", result=whole)
        settlement.note(posting, "confirmed")
        return
    error = ErrorFacts(
        "amount_incident",
        f"{settlement.connection.name} shows {written.number or written.external_id} otherwise "
        f"than it was sent. {'; '.join(unlike)}. Compare both documents before you decide.",
        detail=f"external id {written.external_id}",
    )
    settlement.move(posting, "park", error_code=error.code, error_message=error.message)
    settlement.cases.append((posting, error))
    settlement.note(posting, "differs", error)


def _refuse(settlement: Settlement, posting: Posting, error: HubError) -> None:
    facts = error.facts
    values = {
        "error_code": facts.code,
        "error_message": facts.message,
        "error_detail": facts.detail,
        "error_field": facts.field,
    }
    if isinstance(error, RejectedError):
        settlement.move(posting, "reject", error_kind="rejected", **values)
        settlement.cases.append((posting, facts))
    elif isinstance(error, OutcomeUnknownError):
        due = settlement.now + retry_delay(posting.attempts, random.random(), None)  # noqa: S311
        settlement.move(posting, "lose_track", error_kind="unknown", due_at=due, **values)
    elif isinstance(error, ConfigurationError):
        settlement.move(
            posting, "hold", error_kind="configuration", attempts=posting.attempts - 1,
            due_at=settlement.now, **values,
        )  # fmt: skip
    else:
        _hold_or_bury(settlement, posting, error, values)
    settlement.note(posting, type(error).__name__, facts)


def _hold_or_bury(
    settlement: Settlement, posting: Posting, error: HubError, values: dict[str, Any]
) -> None:
    """A transient failure waits with jitter; past its attempts it becomes a dead letter."""
    named = error.retry_after if isinstance(error, TransientError) else None
    due = settlement.now + retry_delay(posting.attempts, random.random(), named)  # noqa: S311
    settlement.move(posting, "hold", error_kind="transient", due_at=due, **values)
    if posting.attempts < MAX_ATTEMPTS:
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
    settlement.move(posting, "bury", error_message=facts.message)
    settlement.cases.append((posting, facts))
    settlement.dead.append((posting, facts))


def hand_back(settlement: Settlement, posting: Posting) -> None:
    """A question that was not asked, as the process stops: the next lane asks at once."""
    held = Posting.objects.filter(id=posting.id, claimed_by=settlement.claim.token)
    held.update(due_at=settlement.now)
    settlement.note(posting, "handed_back")


def settle_read_backs(
    connection: Connection, claim: Claim, outcomes: Sequence[Outcome], *, now: dt.datetime
) -> None:
    """Commit confirmations that were still owed; a failed reading is tried again later."""
    if not claim.postings:
        return
    settlement = Settlement(connection, claim, now)
    for posting, outcome in zip(claim.postings, outcomes, strict=True):
        if outcome.reading is not None:
            accept(settlement, posting, outcome)
        elif outcome.unsent:
            hand_back(settlement, posting)
        else:
            error = outcome.error.facts if outcome.error else None
            settlement.note(posting, "read_failed", error)
            _look_again(settlement, posting, outcome)
    settlement.commit(("confirm", "park"), {"confirm": "confirmed", "park": "parked"})
    _note_health(connection, [o.error for o in outcomes if not o.unsent], now)


def _look_again(settlement: Settlement, posting: Posting, outcome: Outcome) -> None:
    """The platform said when: it has taken the document and works on it."""
    wait = outcome.error.retry_after if isinstance(outcome.error, TransientError) else None
    if wait is not None:
        Posting.objects.filter(id=posting.id, claimed_by=settlement.claim.token).update(
            due_at=settlement.now + dt.timedelta(seconds=wait)
        )


def _note_health(
    connection: Connection, errors: Sequence[HubError | None], now: dt.datetime
) -> None:
    """Feed the circuit: refusals are answers too; only silence and faults count against it."""
    broken = [e for e in errors if isinstance(e, TransientError | OutcomeUnknownError)]
    stopped = next((e for e in errors if isinstance(e, ConfigurationError)), None)
    if stopped is not None:
        pause_connection(connection.id, reason=stopped.facts.message, actor=LANE, now=now)
    elif len(broken) < len(errors):
        note_success(connection.id, now=now)
    elif broken:
        note_failure(connection.id, broken[-1].facts, now=now)
