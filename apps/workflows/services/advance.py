"""Advancing many runs at once: decide every ready step, then write each change in a set."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.codec import content_hash, to_json
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.postings.models import Posting
from apps.postings.services import submit_postings
from apps.postings.types import PostingDraft
from apps.workflows.announce import run_event, step_case, step_event
from apps.workflows.definition import (
    Command,
    Definition,
    Done,
    Facts,
    Perform,
    Post,
    Refuse,
    WaitFor,
)
from apps.workflows.models import Signal, Step, WorkflowRun
from apps.workflows.registry import action_of, definition_of
from apps.workflows.services.start import ENGINE

BATCH = 100
ROUNDS = 20
OVER = ("succeeded", "skipped")


@dataclass
class Turn:
    """One run in this moment: its steps by name, its facts, and what they decided."""

    run: WorkflowRun
    definition: Definition
    steps: dict[str, Step]
    facts: Facts
    before: dict[str, str] = field(default_factory=dict)

    def view(self) -> Facts:
        """What a step may read: the subject's facts and the outputs of the steps before it."""
        outputs = {name: step.output for name, step in self.steps.items() if step.state in OVER}
        return {**self.facts, "outputs": outputs}

    def ready(self) -> list[Step]:
        return [
            self.steps[form.name]
            for form in self.definition.steps
            if self.steps[form.name].state == "pending"
            and all(self.steps[need].state in OVER for need in form.needs)
        ]


def advance_due(*, now: dt.datetime) -> int:
    """Advance the runs that are due. Returns how many were looked at."""
    with acting(ENGINE):
        runs = list(
            WorkflowRun.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=now, state__in=["pending", "running", "waiting", "failed"])
            .order_by("due_at")[:BATCH]
        )
        if runs:
            failpoint("step.after_claim")
            _advance(runs, now)
            failpoint("step.before_commit")
    if runs:
        failpoint("step.after_commit")
    return len(runs)


def _advance(runs: Sequence[WorkflowRun], now: dt.datetime) -> None:
    turns = _turns(runs)
    events: list[NewEvent] = []
    cases: list[CaseDraft] = []
    for _ in range(ROUNDS):
        decided = [
            (turn, step, turn.definition.step(step.name).decide(turn.view()))
            for turn in turns
            for step in turn.ready()
        ]
        if not decided:
            break
        _carry_out(decided, events, cases, now)
        failpoint("saga.between")
    _write_runs(turns, events, now)
    publish_events(events, actor=ENGINE, now=now)
    open_cases(cases, actor=ENGINE, now=now)


def _turns(runs: Sequence[WorkflowRun]) -> list[Turn]:
    steps: dict[uuid.UUID, dict[str, Step]] = {run.id: {} for run in runs}
    for step in Step.objects.filter(run_id__in=list(steps)).order_by("position"):
        steps[step.run_id][step.name] = step
    facts: dict[tuple[str, str], Facts] = {}
    by_definition: dict[tuple[str, int], list[WorkflowRun]] = {}
    for run in runs:
        by_definition.setdefault((run.definition, run.definition_version), []).append(run)
    for (name, version), group in by_definition.items():
        loaded = definition_of(name, version).load([str(run.subject_id) for run in group])
        facts.update({(name, subject): found for subject, found in loaded.items()})
    return [
        Turn(
            run,
            definition_of(run.definition, run.definition_version),
            steps[run.id],
            facts[run.definition, str(run.subject_id)],
        )
        for run in runs
    ]


Decided = tuple[Turn, Step, Command]


def _carry_out(
    decided: Sequence[Decided], events: list[NewEvent], cases: list[CaseDraft], now: dt.datetime
) -> None:
    for turn, step, _ in decided:
        step.input_hash = content_hash(turn.view())
        step.started_at = step.started_at or now
        step.attempt += 1
    succeeded: list[Result] = [(t, s, c.output) for t, s, c in decided if isinstance(c, Done)]
    succeeded += _perform([d for d in decided if isinstance(d[2], Perform)], now)
    succeeded += _post([d for d in decided if isinstance(d[2], Post)], now)
    succeeded += _wait([d for d in decided if isinstance(d[2], WaitFor)], now)
    _succeed(succeeded, events, now)
    refused = [d for d in decided if isinstance(d[2], Refuse)]
    _refuse(refused, events, cases)


Result = tuple[Turn, Step, Mapping[str, Any]]


def _perform(decided: Sequence[Decided], now: dt.datetime) -> list[Result]:
    """Each named action once, for all steps that ask for it in this round."""
    results: list[Result] = []
    for name in {command.action for _, _, command in decided if isinstance(command, Perform)}:
        same = [d for d in decided if isinstance(d[2], Perform) and d[2].action == name]
        asked = [(str(t.run.subject_id), c.params) for t, _, c in same if isinstance(c, Perform)]
        outputs = action_of(name)(asked, ENGINE, now)
        results += [(t, s, out) for (t, s, _), out in zip(same, outputs, strict=True)]
    return results


def _post(decided: Sequence[Decided], now: dt.datetime) -> list[Result]:
    """Submit all writes of this round; one that already stands confirmed gives its result now."""
    drafts = [_draft(t, s, c) for t, s, c in decided if isinstance(c, Post)]
    postings = submit_postings(drafts, actor=ENGINE, now=now)
    waiting: list[tuple[Step, dict[str, Any]]] = []
    results: list[Result] = []
    for (turn, step, _), posting in zip(decided, postings, strict=True):
        step.posting_id = posting.id
        if posting.state == "confirmed":
            results.append((turn, step, posting_output(posting)))
            continue
        waiting.append((step, {"posting_id": posting.id, "waits_for": f"posting:{posting.id}",
                               "deadline": None}))  # fmt: skip
    _move("wait", waiting)
    return results


def posting_output(posting: Posting) -> dict[str, Any]:
    """What a confirmed posting gives to later steps."""
    return {
        **posting.result,
        "external_id": posting.external_id,
        "reference": posting.reference,
        "posting_id": str(posting.id),
    }


def _draft(turn: Turn, step: Step, command: Post) -> PostingDraft:
    kind, document_id, version = command.document
    run = turn.run
    assert run.legal_entity_id is not None  # noqa: S101 - no run without a legal entity
    return PostingDraft(
        role=command.role,
        operation=command.operation,
        purpose=step.name,
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


def _wait(decided: Sequence[Decided], now: dt.datetime) -> list[Result]:
    """Wait for signals; one that was raised before gives its data now."""
    asked = [(t, s, c) for t, s, c in decided if isinstance(c, WaitFor)]
    keys = [command.signal for _, _, command in asked]
    raised = {s.key: s for s in Signal.objects.filter(key__in=keys)} if keys else {}
    waiting: list[tuple[Step, dict[str, Any]]] = []
    results: list[Result] = []
    for turn, step, command in asked:
        signal = raised.get(command.signal)
        if signal is not None:
            results.append((turn, step, signal.data))
            continue
        deadline = now + dt.timedelta(seconds=command.seconds)
        waits = {"waits_for": command.signal, "deadline": deadline, "posting_id": None}
        waiting.append((step, waits))
    _move("wait", waiting)
    return results


def _succeed(results: Sequence[Result], events: list[NewEvent], now: dt.datetime) -> None:
    rows = []
    for turn, step, output in results:
        values = {
            "output": to_json(dict(output)),
            "finished_at": now,
            "waits_for": "",
            "error_code": "",
            "error_message": "",
            "posting_id": step.posting_id,
        }
        rows.append((step, values))
        step.output = values["output"]
        events.append(step_event(turn.run, step, "succeeded"))
    _move("succeed", rows)


def _refuse(decided: Sequence[Decided], events: list[NewEvent], cases: list[CaseDraft]) -> None:
    rows = []
    for turn, step, command in decided:
        assert isinstance(command, Refuse)  # noqa: S101 - the caller chose these
        rows.append((step, {"error_code": command.code, "error_message": command.explanation}))
        step.error_code, step.error_message = command.code, command.explanation
        events.append(step_event(turn.run, step, "failed"))
        cases.append(step_case(turn.run, step, command))
    _move("fail", rows)


def _move(name: str, rows: Sequence[tuple[Step, dict[str, Any]]]) -> None:
    """Move steps through one transition, with what the engine noted about each."""
    noted = [
        (
            step.id,
            {
                **values,
                "input_hash": step.input_hash,
                "started_at": step.started_at,
                "attempt": step.attempt,
            },
        )
        for step, values in rows
    ]
    moved = set(transition_rows(Step, name, noted))
    targets = {"wait": "waiting", "succeed": "succeeded", "fail": "failed"}
    for step, values in rows:
        if step.id in moved:
            for column, value in values.items():
                setattr(step, column, value)
            step.__dict__["state"] = targets[name]


def _write_runs(turns: Sequence[Turn], events: list[NewEvent], now: dt.datetime) -> None:
    """The state of each run follows from its steps."""
    plans: dict[str, list[WorkflowRun]] = {}
    for turn in turns:
        plans.setdefault(_run_move(turn), []).append(turn.run)
    started = [
        run for runs in plans.values() for run in runs if run.state in ("pending", "failed")
    ]
    transition_set(WorkflowRun, "run", [run.id for run in started], due_at=None)
    done = plans.get("complete", [])
    transition_set(WorkflowRun, "complete", [r.id for r in done], due_at=None, finished_at=now)
    transition_set(WorkflowRun, "fail", [r.id for r in plans.get("fail", [])], due_at=None)
    waits = plans.get("wait", [])
    transition_set(WorkflowRun, "wait", [r.id for r in waits], due_at=None)
    WorkflowRun.objects.filter(id__in=[r.id for r in waits]).update(due_at=None)
    events += [run_event(run, "completed") for run in done]
    if turns:
        enqueue_on_commit("workflows.advance")


def _run_move(turn: Turn) -> str:
    states = {step.state for step in turn.steps.values()}
    if states <= set(OVER):
        return "complete"
    if "waiting" in states or turn.ready():
        return "wait"
    return "fail" if "failed" in states else "wait"
