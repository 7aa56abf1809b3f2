"""Compensation: what a run wrote is undone in reverse order of success (ADR-0018).

Each undo is a posting of its own, so it is sent once in effect, read back, and looked up when its
answer is lost. One step of a run is undone at a time; the next begins when the platform has
confirmed. A refused undo is one case; the run stays where it is until it goes through.

Runs go back in sets as they go forward: claimed and counted before the work begins, and a set
that fails is halved until the run at fault stands alone.
"""

import datetime as dt
import logging
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models.functions import Now

from apps.core.errors import HubError
from apps.core.fsm import transition_rows, transition_set
from apps.core.halving import DATABASE_FAULTS, in_halves
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import close_for_subjects, open_cases
from apps.exceptions.types import CaseDraft
from apps.postings.models import Posting
from apps.postings.services import submit_postings
from apps.workflows.announce import run_event, step_case, step_event
from apps.workflows.definition import Command, Definition, Facts, Post, Refuse, command_hash
from apps.workflows.history import undo_view
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.policies import (
    REVERSE,
    is_given_up,
    is_last_dispatch,
    is_unsettled,
    pause_after,
    reverse_purpose,
)
from apps.workflows.registry import definition_of, fingerprint
from apps.workflows.services.claim import BACK, claim_runs, hold_back
from apps.workflows.services.hold import admit
from apps.workflows.services.record import histories_of, state_hash
from apps.workflows.services.rounds import RELEASED, posting_draft
from apps.workflows.services.standing import drop_unsent, postings_of, step_facts
from apps.workflows.services.start import ENGINE, QUEUE
from apps.workflows.types import HeldRun

logger = logging.getLogger(__name__)

BATCH = 100
ROUNDS = 20


@dataclass
class Retreat:
    """One run on its way back: its steps, their writes, and what each step had read."""

    run: WorkflowRun
    definition: Definition
    steps: list[Step]
    facts: Mapping[str, Facts]
    postings: Mapping[uuid.UUID | None, Posting]

    def next_undo(self) -> Step | None:
        """The step to undo now: the one that succeeded last of those with an undo. None while
        another is being undone, or while it is open what became of a write."""
        if self.is_waiting():
            return None
        undecided = [s for s in self.steps if s.state == "compensating" and not s.undo_hash]
        undoable = [
            s
            for s in self.steps
            if s.state == "succeeded" and self.definition.step(s.name).undo is not None
        ]
        last = sorted(undoable, key=lambda s: (s.finished_at or s.created_at, s.position))
        return next(iter(undecided or reversed(last)), None)

    def is_waiting(self) -> bool:
        return any(s.state == "compensating" and s.undo_hash for s in self.steps) or any(
            is_unsettled(step_facts(s, self.definition, self.postings)) for s in self.steps
        )

    def decide(self, step: Step) -> Command:
        """What undoes a step that has an undo. Code that fails is a refusal: one run's fault does
        not hold up the others."""
        undo = self.definition.step(step.name).undo
        assert undo is not None  # noqa: S101 - only such steps are chosen
        seen = self.definition.before(step.name) | {step.name}
        outputs = {other.name: other.output for other in self.steps if other.name in seen}
        sent = self.postings.get(step.posting_id)
        posted = sent.payload if sent else None
        try:
            return undo(undo_view(self.facts[step.input_hash], outputs, posted))
        except Exception as error:
            logger.exception("undo of %s in run %s failed", step.name, self.run.id)
            return _fault(self.run, step, error)


def _fault(run: WorkflowRun, step: Step, error: Exception) -> Refuse:
    title = f"{run.label}: {step.name.replace('_', ' ')} cannot be undone"
    if isinstance(error, HubError):
        return Refuse(error.facts.code, title, error.facts.message)
    return Refuse(
        "processing_fault",
        title,
        "The hub failed while it prepared the undo; nothing was sent. Report the detail, then "
        "retry with a release in which it is mended.",
        {"cause": type(error).__name__, "detail": str(error)},
    )


Undone = tuple[Retreat, Step, Command]


def compensate_due(*, now: dt.datetime) -> int:
    """Go on with a set of the runs that are being compensated and are due. Returns how many were
    claimed."""
    runs = claim_runs(now=now, limit=BATCH, states=BACK)
    hopeless = [run for run in runs if is_given_up(run.attempts) and _is_known(run)]
    for run in hopeless:
        _stop(run, RuntimeError("Every worker that took this run ended while it did"), now)
    going = admit([run for run in runs if run not in hopeless], now=now)
    if going:
        in_halves(going, partial(_go_back, now=now), partial(_fail, now=now))
    return len(runs)


def _is_known(run: HeldRun) -> bool:
    """Whether this release has the run's definition; a run without is held, not given up."""
    return bool(fingerprint(run.definition, run.definition_version))


def _go_back(runs: Sequence[HeldRun], now: dt.datetime) -> None:
    """Undo what can be undone now of a set, in one transaction."""
    with acting(ENGINE):
        held = _held(runs, now)
        histories = histories_of(held)
        retreats = _retreats(held, {run.id: histories[run.id].facts for run in held})
        for _ in range(ROUNDS):
            if not _round(retreats, now):
                break
        _finish(retreats, now)
        _release(held)


def _held(runs: Sequence[HeldRun], now: dt.datetime) -> list[WorkflowRun]:
    return list(WorkflowRun.objects.filter(id__in=hold_back(runs, now=now)).order_by("id"))


def _release(runs: Sequence[WorkflowRun]) -> None:
    ids = [run.id for run in runs]
    WorkflowRun.objects.filter(id__in=ids).update(due_at=None, **RELEASED)


def _fail(run: HeldRun, error: Exception, now: dt.datetime) -> None:
    """A run that fails alone: a refusal that the hub understands is one of its undo and goes to a
    person at once; any other error may pass, so that the run rests with its dispatches counted."""
    if isinstance(error, DATABASE_FAULTS):
        raise error
    if isinstance(error, HubError) or is_last_dispatch(run.attempts):
        logger.error("compensation of run %s stopped", run.id, exc_info=error)
        _stop(run, error, now)
        return
    logger.warning("compensation of run %s failed and rests", run.id, exc_info=error)
    rest = pause_after(run.attempts, random.random())  # noqa: S311 - no secret
    with acting(ENGINE):
        rows = WorkflowRun.objects.filter(id__in=hold_back([run], now=now))
        rows.update(claimed_until=None, due_at=Now() + rest)


def _stop(run: HeldRun, error: Exception, now: dt.datetime) -> None:
    """The undo whose turn it is fails with one case, and is decided when a person retries it.
    Nothing of the run's code or facts is touched here: that may be what ends the worker."""
    with acting(ENGINE):
        held = _held([run], now)
        events: list[NewEvent] = []
        cases = [_stopped(retreat, error, events) for retreat in _retreats(held, {})]
        _release(held)
        publish_events(events, actor=ENGINE, now=now)
        open_cases(cases, actor=ENGINE, now=now)


def _stopped(retreat: Retreat, error: Exception, events: list[NewEvent]) -> CaseDraft:
    step = retreat.next_undo()
    if step is not None:
        [case] = _refuse([(retreat, step, _fault(retreat.run, step, error))], events)
        return case
    # No undo is at fault: the case of the run's end is kept with the last step that is at rest.
    resting = [s for s in retreat.steps if s.state != "compensating"]
    step = (resting or retreat.steps)[-1]
    refusal = _fault(retreat.run, step, error)
    step.error_code, step.error_message = refusal.code, refusal.explanation
    step.save(update_fields=["error_code", "error_message", "updated_at"])
    return step_case(retreat.run, step, refusal)


def _retreats(
    runs: Sequence[WorkflowRun], facts: Mapping[uuid.UUID, Mapping[str, Facts]]
) -> list[Retreat]:
    steps: dict[uuid.UUID, list[Step]] = {run.id: [] for run in runs}
    for step in Step.objects.filter(run_id__in=list(steps)).order_by("position"):
        steps[step.run_id].append(step)
    postings = postings_of([step for each in steps.values() for step in each])
    return [
        Retreat(
            run,
            definition_of(run.definition, run.definition_version),
            steps[run.id],
            facts.get(run.id, {}),
            postings,
        )
        for run in runs
    ]


def _round(retreats: Sequence[Retreat], now: dt.datetime) -> bool:
    """Begin the next undo of each run; False when none has one to begin."""
    decided: list[Undone] = []
    for retreat in retreats:
        step = retreat.next_undo()
        if step is not None:
            decided.append((retreat, step, retreat.decide(step)))
    if not decided:
        return False
    for _, step, command in decided:
        step.undo_hash = command_hash(command)
    events: list[NewEvent] = []
    done = [d for d in decided if not isinstance(d[2], Post | Refuse)]
    done += _post([d for d in decided if isinstance(d[2], Post)], events, now)
    _compensated(done, events, now)
    cases = _refuse([d for d in decided if isinstance(d[2], Refuse)], events)
    publish_events(events, actor=ENGINE, now=now)
    open_cases(cases, actor=ENGINE, now=now)
    return True


def _post(decided: Sequence[Undone], events: list[NewEvent], now: dt.datetime) -> list[Undone]:
    """Submit the undoing writes; returns those that stand confirmed already."""
    drafts = [
        posting_draft(r.run, s, c, purpose=reverse_purpose(s.name))
        for r, s, c in decided
        if isinstance(c, Post)
    ]
    postings = submit_postings(drafts, actor=ENGINE, now=now)
    pairs = list(zip(decided, postings, strict=True))
    waits = [
        (d, {"waits_for": f"posting:{p.id}", "undo_hash": d[1].undo_hash, "error_code": "",
             "error_message": ""})
        for d, p in pairs
        if p.state != "confirmed"
    ]  # fmt: skip
    _begin(waits, events)
    return [d for d, p in pairs if p.state == "confirmed"]


def _refuse(decided: Sequence[Undone], events: list[NewEvent]) -> list[CaseDraft]:
    rows, cases = [], []
    for undone in decided:
        retreat, step, command = undone
        assert isinstance(command, Refuse)  # noqa: S101 - the caller chose these
        values = {
            "waits_for": "",
            "undo_hash": step.undo_hash,
            "error_code": command.code,
            "error_message": command.explanation,
        }
        rows.append((undone, values))
        cases.append(step_case(retreat.run, step, command))
    _begin(rows, events)
    return cases


def _begin(rows: Sequence[tuple[Undone, dict[str, Any]]], events: list[NewEvent]) -> None:
    """Move steps to ``compensating``; one that was there already gets its new values."""
    fresh = [(d[1].id, values) for d, values in rows if d[1].state == "succeeded"]
    transition_rows(Step, "undo", fresh)
    again = [d[1] for d, _ in rows if d[1].state == "compensating"]
    for (retreat, step, _), values in rows:
        for name, value in values.items():
            setattr(step, name, value)
        step.__dict__["state"] = "compensating"
        events.append(step_event(retreat.run, step, "compensating"))
    Step.objects.bulk_update(again, ["waits_for", "undo_hash", "error_code", "error_message"])


def _compensated(decided: Sequence[Undone], events: list[NewEvent], now: dt.datetime) -> None:
    rows = [
        (s.id, {"undo_hash": s.undo_hash, "waits_for": "", "error_code": "", "error_message": ""})
        for _, s, _ in decided
    ]
    transition_rows(Step, "compensate", rows)
    for retreat, step, _ in decided:
        step.__dict__["state"] = "compensated"
        events.append(step_event(retreat.run, step, "compensated"))
    close_for_subjects(
        [("workflows.step", step.id) for _, step, _ in decided],
        reason="The step is undone.",
        actor=ENGINE,
        now=now,
    )


def _finish(retreats: Sequence[Retreat], now: dt.datetime) -> None:
    """End the runs that have nothing left to undo; what was never done is skipped."""
    ended = [r for r in retreats if not r.is_waiting() and r.next_undo() is None]
    left = [s for r in ended for s in r.steps if s.state in ("pending", "waiting", "failed")]
    drop_unsent(left, reason="The run was compensated.", actor=ENGINE, now=now)
    transition_set(Step, "skip", [s.id for s in left], waits_for="", deadline=None)
    for step in left:
        step.__dict__["state"] = "skipped"
    rows = [
        (r.run.id, {"due_at": None, "finished_at": now, "state_hash": state_hash(r.run, r.steps)})
        for r in ended
    ]
    transition_rows(WorkflowRun, "finish_compensation", rows)
    publish_events([run_event(r.run, "compensated") for r in ended], actor=ENGINE, now=now)
    subjects = [("workflows.run", r.run.id) for r in ended]
    subjects += [("workflows.step", s.id) for r in ended for s in r.steps]
    close_for_subjects(
        subjects,
        reason="The run was compensated.",
        actor=ENGINE,
        now=now,
    )


def settle_undos(posting_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> None:
    """Steps that are being undone follow their reverse postings: confirmed compensates them; what
    was refused, parked or buried shows on the step until it goes through. A run on its way back
    looks again when one of its writes was given up."""
    if not posting_ids:
        return
    with acting(ENGINE):
        heard = list(Posting.objects.filter(id__in=posting_ids))
        postings = {p.step_id: p for p in heard if p.purpose.startswith(REVERSE)}
        steps = list(
            Step.objects.select_for_update(of=("self",))
            .select_related("run")
            .filter(id__in=list(postings), state="compensating")
        )
        good = [s for s in steps if postings[s.id].state == "confirmed"]
        moved = set(
            transition_rows(
                Step,
                "compensate",
                [(s.id, {"waits_for": "", "error_code": "", "error_message": ""}) for s in good],
            )
        )
        for step in steps:
            stuck = postings[step.id].state in ("rejected", "dead", "parked")
            step.error_code = postings[step.id].error_code if stuck else ""
            step.error_message = postings[step.id].error_message if stuck else ""
        Step.objects.bulk_update(
            [s for s in steps if s.id not in moved], ["error_code", "error_message"]
        )
        runs = {posting.run_id for posting in heard}
        WorkflowRun.objects.filter(id__in=runs, state="compensating").update(due_at=now)
        enqueue_on_commit("workflows.advance", queue=QUEUE)
        events = [step_event(s.run, s, "compensated") for s in steps if s.id in moved]
        events += [step_event(s.run, s, "undo_failed") for s in steps if s.error_code]
        publish_events(events, actor=ENGINE, now=now)
