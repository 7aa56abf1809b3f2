"""One round of a set of runs in one transaction: what its ready steps decided, written in sets."""

import datetime as dt
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.core.codec import to_json
from apps.core.errors import HubError, StaleWriteError
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_statement
from apps.core.rows import Statement, run_together
from apps.events.services import event_statements
from apps.events.types import NewEvent
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.postings.models import Posting
from apps.postings.services import submit_postings
from apps.postings.types import PostingDraft
from apps.workflows.announce import AnyRun, AnyStep, run_event, step_case, step_event
from apps.workflows.definition import Command, Done, Perform, Post, Refuse, WaitFor
from apps.workflows.models import Signal, Step, WorkflowRun
from apps.workflows.registry import action_of
from apps.workflows.services.claim import hold_turns, keep_claims
from apps.workflows.services.record import note_decisions, state_hash
from apps.workflows.services.start import ENGINE
from apps.workflows.services.turns import OVER, Turn
from apps.workflows.types import HeldRun, HeldStep

logger = logging.getLogger(__name__)

Decided = tuple[Turn, HeldStep, Command]
Result = tuple[Turn, HeldStep, Mapping[str, Any]]
TARGETS = {"wait": "waiting", "succeed": "succeeded", "fail": "failed"}


@dataclass
class Round:
    """What one round writes, gathered until its end."""

    now: dt.datetime
    events: list[NewEvent] = field(default_factory=list)
    cases: list[CaseDraft] = field(default_factory=list)
    waiting: list[HeldStep] = field(default_factory=list)
    moves: list[Statement] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)

    def move(
        self,
        model: type[Step | WorkflowRun],
        name: str,
        rows: Sequence[tuple[uuid.UUID, Mapping[str, Any]]],
    ) -> None:
        """Put rows down for a transition."""
        if rows:
            self.moves.append(transition_statement(model, name, rows))
            self.expected.append(len(rows))

    def write(self) -> None:
        """Make all moves and tell of them, in one message to the database.

        Raises ``StaleWriteError`` when somebody moved one of the rows meanwhile.
        """
        events = event_statements(self.events, actor=ENGINE, now=self.now)
        found = run_together([*self.moves, *events])
        moved = [len(rows) for rows in found[: len(self.moves)]]
        if moved != self.expected:
            raise StaleWriteError("a step was changed by somebody else in this round")


def decide_turns(turns: Sequence[Turn]) -> list[Decided]:
    """What every ready step says to do; each is a pure function of its facts."""
    decided = []
    for turn in turns:
        if ready := turn.ready():
            decided += [(turn, step, _decide(turn, step)) for step in ready]
    return decided


def _decide(turn: Turn, step: HeldStep) -> Command:
    try:
        return turn.definition.step(step.name).decide(turn.view(step.name))
    except Exception as error:
        # A step is a pure function: its fault is its run's alone, and no other run waits for it.
        logger.exception("step %s of run %s failed", step.name, turn.run.id)
        return fault(turn.run, step.name, error)


def fault(run: HeldRun, step: str, error: Exception) -> Refuse:
    """What a person is told when the hub itself cannot carry a step out."""
    if isinstance(error, HubError):
        return Refuse(error.facts.code, _stops(run, step), error.facts.message)
    return own_fault(run, step, told(error))


def told(error: Exception) -> str:
    """An error of our own code in one line, as it is kept on a step: ``ValueError: too long``."""
    return f"{type(error).__name__}: {error}"


def own_fault(run: HeldRun, step: str, words: str) -> Refuse:
    """The same for an error of our own code, in the words of ``told``."""
    return Refuse(
        "processing_fault",
        _stops(run, step),
        f"The hub itself failed at this step ({words}). Nothing of the step was written. Have the "
        f"cause put right, then retry.",
        {"cause": f"{run.definition}: {words.partition(':')[0]}"},
    )


def _stops(run: HeldRun, step: str) -> str:
    return f"{run.label} stops at {step.replace('_', ' ')}"


def play_round(turns: Sequence[Turn], *, now: dt.datetime, keep: bool) -> tuple[list[Turn], Round]:
    """Decide and commit one round; returns the runs that have a next one.

    ``keep`` renews the lease of those. Raises whatever a write raises, with nothing written, and
    ``StaleWriteError`` when somebody changed a step meanwhile: read the set again.
    """
    decided = decide_turns(turns)
    done = Round(now)
    with transaction.atomic():
        held = hold_turns(turns, now=now)
        if len(held) < len(turns):
            ours = {turn.run.id for turn in held}
            decided = [d for d in decided if d[0].run.id in ours]
        _carry_out(decided, done)
        going = _settle_runs(held, done)
        if keep:
            keep_claims([turn.run.id for turn in going])
        done.write()
        open_cases(done.cases, actor=ENGINE, now=now)
        failpoint("step.before_commit")
    return going, done


def _carry_out(decided: Sequence[Decided], done: Round) -> None:
    note_decisions([(t.run, t.steps, t.facts, s, c) for t, s, c in decided], done.now)
    for _, step, _ in decided:
        step.started_at = step.started_at or done.now
        step.attempt += 1
    results: list[Result] = [(t, s, c.output) for t, s, c in decided if isinstance(c, Done)]
    results += _perform([d for d in decided if isinstance(d[2], Perform)], done.now)
    results += _post([d for d in decided if isinstance(d[2], Post)], done)
    results += _wait([d for d in decided if isinstance(d[2], WaitFor)], done)
    _succeed(results, done)
    _refuse([d for d in decided if isinstance(d[2], Refuse)], done)


def _perform(decided: Sequence[Decided], now: dt.datetime) -> list[Result]:
    """Each named action once, for all steps that ask for it in this round."""
    results: list[Result] = []
    for name in {command.action for _, _, command in decided if isinstance(command, Perform)}:
        same = [d for d in decided if isinstance(d[2], Perform) and d[2].action == name]
        asked = [(str(t.run.subject_id), c.params) for t, _, c in same if isinstance(c, Perform)]
        outputs = action_of(name)(asked, ENGINE, now)
        results += [(t, s, out) for (t, s, _), out in zip(same, outputs, strict=True)]
    return results


def _post(decided: Sequence[Decided], done: Round) -> list[Result]:
    """Submit all writes of this round; one that already stands confirmed gives its result now."""
    drafts = [
        posting_draft(t.run, s, c, purpose=s.name) for t, s, c in decided if isinstance(c, Post)
    ]
    postings = submit_postings(drafts, actor=ENGINE, now=done.now)
    waiting: list[tuple[HeldStep, dict[str, Any]]] = []
    results: list[Result] = []
    for (turn, step, _), posting in zip(decided, postings, strict=True):
        step.posting_id = posting.id
        if posting.state == "confirmed":
            results.append((turn, step, posting_output(posting)))
            continue
        waiting.append((step, {"posting_id": posting.id, "waits_for": f"posting:{posting.id}",
                               "deadline": None}))  # fmt: skip
    _move("wait", waiting, done)
    done.waiting += [step for step, _ in waiting]
    return results


def posting_output(posting: Posting) -> dict[str, Any]:
    """What a confirmed posting gives to later steps."""
    return {
        **posting.result,
        "external_id": posting.external_id,
        "reference": posting.reference,
        "posting_id": str(posting.id),
    }


def posting_draft(run: AnyRun, step: AnyStep, command: Post, *, purpose: str) -> PostingDraft:
    """A step's command as the posting that carries it out."""
    kind, document_id, version = command.document
    assert run.legal_entity_id is not None  # noqa: S101 - no run without a legal entity
    return PostingDraft(
        role=command.role,
        operation=command.operation,
        purpose=purpose,
        document_type=kind,
        document_id=uuid.UUID(document_id),
        document_version=version,
        document_label=command.label,
        ordering_key=command.ordering_key,
        payload=command.payload,
        legal_entity_id=run.legal_entity_id,
        journey_id=run.journey_id,
        amount=command.amount,
        currency=command.currency,
        is_material=step.is_material,
        run_id=run.id,
        step_id=step.id,
    )


def _wait(decided: Sequence[Decided], done: Round) -> list[Result]:
    """Wait for signals; one that was raised before gives its data now."""
    asked = [(t, s, c) for t, s, c in decided if isinstance(c, WaitFor)]
    keys = [command.signal for _, _, command in asked]
    raised = {s.key: s for s in Signal.objects.filter(key__in=keys)} if keys else {}
    waiting: list[tuple[HeldStep, dict[str, Any]]] = []
    results: list[Result] = []
    for turn, step, command in asked:
        signal = raised.get(command.signal)
        if signal is not None:
            results.append((turn, step, signal.data))
            continue
        deadline = done.now + dt.timedelta(seconds=command.seconds)
        waits = {"waits_for": command.signal, "deadline": deadline, "posting_id": None}
        waiting.append((step, waits))
    _move("wait", waiting, done)
    done.waiting += [step for step, _ in waiting]
    return results


def _succeed(results: Sequence[Result], done: Round) -> None:
    rows = []
    for turn, step, output in results:
        values = {
            "output": to_json(output),
            "finished_at": done.now,
            "waits_for": "",
            "posting_id": step.posting_id,
        }
        rows.append((step, values))
        step.output = values["output"]
        done.events.append(step_event(turn.run, step, "succeeded"))
    _move("succeed", rows, done)


def _refuse(decided: Sequence[Decided], done: Round) -> None:
    rows = []
    for turn, step, command in decided:
        assert isinstance(command, Refuse)  # noqa: S101 - the caller chose these
        rows.append((step, {"error_code": command.code, "error_message": command.explanation}))
        step.error_code, step.error_message = command.code, command.explanation
        done.events.append(step_event(turn.run, step, "failed"))
        done.cases.append(step_case(turn.run, step, command))
    _move("fail", rows, done)


def _move(name: str, rows: Sequence[tuple[HeldStep, dict[str, Any]]], done: Round) -> None:
    """Move steps through one transition, with what the engine noted about each."""
    noted = [
        (
            step.id,
            {
                "error_code": "",  # of an earlier try
                "error_message": "",
                **values,
                "input_hash": step.input_hash,
                "command_hash": step.command_hash,
                "started_at": step.started_at,
                "attempt": step.attempt,
            },
        )
        for step, values in rows
    ]
    done.move(Step, name, noted)
    for step, values in rows:
        step.state = TARGETS[name]
        step.waits_for = values.get("waits_for", step.waits_for)
        step.posting_id = values.get("posting_id", step.posting_id)


def _settle_runs(turns: Sequence[Turn], done: Round) -> list[Turn]:
    """The state of each run follows from its steps; returns those with a step to decide next."""
    plans: dict[str, list[HeldRun]] = {}
    going = []
    for turn in turns:
        if turn.ready():
            going.append(turn)
        else:
            plans.setdefault(_run_move(turn), []).append(turn.run)
    completed = plans.get("complete", [])
    walked = {turn.run.id: list(turn.steps.values()) for turn in turns}
    finished = {**RELEASED, "due_at": None, "finished_at": done.now}
    ends = [
        (run.id, {**finished, "state_hash": state_hash(run, walked[run.id])}) for run in completed
    ]
    done.move(WorkflowRun, "complete", ends)
    done.move(WorkflowRun, "fail", [_released(run) for run in plans.get("fail", [])])
    waits = plans.get("wait", [])
    done.move(WorkflowRun, "wait", [_released(r) for r in waits if r.state == "running"])
    _release([run for run in waits if run.state == "waiting"])
    done.events += [run_event(run, "completed") for run in completed]
    return going


RELEASED = {"claimed_until": None, "attempts": 0}


def _released(run: HeldRun) -> tuple[uuid.UUID, dict[str, Any]]:
    # Who was told something while we held it stays due.
    return run.id, {**RELEASED, "due_at": run.due_at}


def _release(runs: Sequence[HeldRun]) -> None:
    for woken in (False, True):
        ids = [run.id for run in runs if (run.due_at is not None) == woken]
        if ids:
            due = {} if woken else {"due_at": None}
            WorkflowRun.objects.filter(id__in=ids).update(**RELEASED, **due)


def _run_move(turn: Turn) -> str:
    states = {step.state for step in turn.steps.values()}
    if states <= set(OVER):
        return "complete"
    if "waiting" in states:
        return "wait"
    return "fail" if "failed" in states else "wait"
