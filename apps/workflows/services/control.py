"""What people do to runs: each with the actor and a reason, refused in plain words."""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from apps.core.fsm import transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.postings.models import Posting
from apps.postings.services import (
    cancel_postings,
    hold_postings,
    release_postings,
    requeue_postings,
)
from apps.workflows import policies
from apps.workflows.announce import run_event, step_event
from apps.workflows.definition import Definition
from apps.workflows.errors import RunActionError
from apps.workflows.models import RunFacts, Step, WorkflowRun
from apps.workflows.registry import definition_of, fingerprint
from apps.workflows.services.fresh import fresh_payloads
from apps.workflows.services.standing import (
    Postings,
    drop_unsent,
    postings_of,
    step_facts,
    unshared,
)
from apps.workflows.services.start import QUEUE

Ids = Sequence[uuid.UUID]


class Held:
    """Locked runs with what may be decided about them."""

    def __init__(self, ids: Ids) -> None:
        rows = WorkflowRun.objects.select_for_update(of=("self",)).filter(id__in=ids)
        self.runs = list(rows.order_by("id"))
        self.steps: dict[uuid.UUID, list[Step]] = {run.id: [] for run in self.runs}
        for step in Step.objects.filter(run_id__in=list(self.steps)).order_by("position"):
            self.steps[step.run_id].append(step)
        everything = [step for each in self.steps.values() for step in each]
        self.postings: Postings = postings_of(everything, lock=True)

    def definition(self, run: WorkflowRun) -> Definition:
        """The run's definition. Raises ``RunActionError`` when this release lacks it."""
        try:
            return definition_of(run.definition, run.definition_version)
        except LookupError as error:
            raise RunActionError(
                f"This release has no {run.definition.replace('_', ' ')} version "
                f"{run.definition_version}. Deploy one that has it, then act."
            ) from error

    def facts(self, run: WorkflowRun) -> list[policies.StepFacts]:
        definition = self.definition(run)
        return [step_facts(step, definition, self.postings) for step in self.steps[run.id]]

    def refuse(self, why: Callable[[WorkflowRun], str]) -> None:
        """Raises ``RunActionError`` with the first refusal; then nothing was changed."""
        for run in self.runs:
            words = why(run)
            if words:
                raise RunActionError(words)


def retry_steps(ids: Ids, *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Decide failed steps again with the facts of today; a failed posting is queued again, and an
    undo that was refused is decided again. A step of which it is open what became of its write
    stays (``why_not_retried``). Returns the ids of the steps that go on."""
    with acting(actor):
        steps = list(Step.objects.select_for_update().filter(id__in=ids, state="failed"))
        requeued = _requeue(steps, actor, now)
        postings = postings_of(steps)
        again = [s.id for s in steps if s.id not in requeued and not _is_stuck(s, postings)]
        moved = transition_set(
            Step, "reset", again, error_code="", error_message="", waits_for="", deadline=None
        )
        undoing = _undo_again(ids)
        _ring({step.run_id for step in steps} | {run for _, run in undoing}, now)
    return [*moved, *requeued, *(pk for pk, _ in undoing)]


def _undo_again(ids: Ids) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Let the refused undos of some steps be decided again, and ends of runs that failed at one
    of these steps; an undo that waits for its posting goes on with it. Gives (step, run)."""
    refused = Step.objects.filter(id__in=ids, run__state="compensating").exclude(error_code="")
    undos = refused.exclude(state="failed").exclude(state="compensating", waits_for__gt="")
    undoing = list(undos.values_list("id", "run_id"))
    again = Step.objects.filter(id__in=[pk for pk, _ in undoing])
    again.filter(state="compensating").update(undo_hash="")
    again.update(error_code="", error_message="")
    return undoing


def _requeue(steps: Sequence[Step], actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Queue the refused postings of some steps again, as their steps mean them today; returns the
    steps whose posting went. A parked one may stand at the platform and is not sent again."""
    refused = Posting.objects.filter(
        id__in=[s.posting_id for s in steps if s.posting_id], state__in=policies.REFUSED
    )
    ids = list(refused.values_list("id", flat=True))
    fresh = fresh_payloads(ids)
    going = [pk for pk in ids if pk not in fresh.undecided]
    moved = set(requeue_postings(going, actor=actor, now=now, changes=fresh.payloads))
    return [step.id for step in steps if step.posting_id in moved]


def _is_stuck(step: Step, postings: Postings) -> bool:
    posting = postings.get(step.posting_id)
    return posting is not None and posting.state in (*policies.REFUSED, "parked")


def why_not_retried(step_id: uuid.UUID) -> str:
    """Why a failed step did not go on by a retry, empty when nothing kept it."""
    step = Step.objects.filter(id=step_id, state="failed").first()
    posting = postings_of([step]).get(step.posting_id) if step else None
    if step is None or posting is None:
        return ""
    if posting.state == "parked":
        return policies.undecided(policies.StepFacts(step.name, step.state))
    return fresh_payloads([posting.id]).undecided.get(posting.id, "")


def _ring(run_ids: set[uuid.UUID], now: dt.datetime) -> None:
    WorkflowRun.objects.filter(id__in=run_ids).update(due_at=now)
    enqueue_on_commit("workflows.advance", queue=QUEUE)


def pause_runs(ids: Ids, *, reason: str, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Hold runs where they are: nothing new is sent, what was sent is still confirmed.

    Returns the ids that moved. Raises ``RunActionError``.
    """
    with acting(actor):
        held = Held(ids)
        held.refuse(lambda run: policies.pause_refusal(run.state))
        hold_postings(_unsent(held))
        return _move("pause", "paused", held, actor, now, reason, due_at=None)


def _unsent(held: Held) -> list[uuid.UUID]:
    """What could still be sent for these runs and no other run waits for."""
    steps = [step for each in held.steps.values() for step in each]
    moving = ("queued", "sending", "unknown", *policies.REFUSED, "parked")
    return [pk for pk in unshared(steps) if held.postings[pk].state in moving]


def resume_runs(ids: Ids, *, reason: str, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Let paused runs go on. Returns the ids that moved. Raises ``RunActionError``."""
    with acting(actor):
        held = Held(ids)
        held.refuse(lambda run: policies.resume_refusal(run.state))
        release_postings([pk for pk in held.postings if pk is not None])
        moved = _move("run", "resumed", held, actor, now, reason, due_at=now)
        enqueue_on_commit("workflows.advance", queue=QUEUE)
    return moved


def cancel_runs(ids: Ids, *, reason: str, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """End runs of which nothing stands at a platform; what was not sent is given up.

    Returns the ids that moved. Raises ``RunActionError``.
    """
    with acting(actor):
        held = Held(ids)
        held.refuse(lambda run: policies.cancel_refusal(run.state, held.facts(run)))
        moved = _move(
            "cancel", "cancelled", held, actor, now, reason, due_at=None, finished_at=now
        )
        left = [s for each in held.steps.values() for s in each if s.state not in policies.OVER]
        transition_set(Step, "skip", [s.id for s in left], waits_for="", deadline=None)
        drop_unsent(left, reason=reason, actor=actor, now=now)
    return moved


def compensate_runs(ids: Ids, *, reason: str, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Undo in reverse order what runs have written, then end them as compensated.

    Returns the ids that moved. Raises ``RunActionError`` once a pivot is passed.
    """
    with acting(actor):
        held = Held(ids)
        held.refuse(lambda run: why_not_compensate(held, run))
        left = [s for each in held.steps.values() for s in each if s.state not in policies.OVER]
        drop_unsent(left, reason=reason, actor=actor, now=now)
        release_postings([pk for pk in held.postings if pk is not None])
        # Who held a run on its way forward has no claim on its way back.
        moved = _move("compensate", "compensating", held, actor, now, reason, due_at=now,
                      finished_at=None, state_hash="", claimed_until=None, attempts=0)  # fmt: skip
        enqueue_on_commit("workflows.advance", queue=QUEUE)
    return moved


def why_not_compensate(held: Held, run: WorkflowRun) -> str:
    """Why a run cannot be compensated, empty when it can."""
    words = policies.compensate_refusal(run.state, held.facts(run))
    if words:
        return words
    if run.fingerprint not in ("", fingerprint(run.definition, run.definition_version)):
        return "The workflow's code was changed since this run went on. See its exception first."
    undone = {s.input_hash for s in held.steps[run.id] if s.state == "succeeded"} - {""}
    kept = RunFacts.objects.filter(run=run, hash__in=undone).count()
    if kept < len(undone):
        return "What this run had read was not kept, so the hub cannot tell how to undo it."
    return ""


def reset_to_step(
    run_id: uuid.UUID, step: str, *, reason: str, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Go back to a step: it and all that wait for it are decided again.

    A write that is confirmed is not written again: the same fact has the same key, so the standing
    posting answers. One that was not sent, or was refused, is taken back: a step that still wants
    it queues it again as it means it then. Returns the steps that went back. Raises
    ``RunActionError``.
    """
    with acting(actor):
        held = Held([run_id])
        run = held.runs[0]
        definition, facts = held.definition(run), {f.name: f for f in held.facts(run)}
        after = definition.after(step) if step in facts else frozenset()
        behind = [facts[name] for name in sorted(after)]
        held.refuse(lambda r: policies.reset_refusal(r.state, facts.get(step), behind))
        chosen = [s for s in held.steps[run.id] if s.name in {step, *after}]
        mine = [pk for pk in unshared(chosen) if held.postings[pk].state in policies.UNSENT]
        cancel_postings(mine, actor=actor, now=now)
        _requeue(chosen, actor, now)  # what another run waits for as well
        moved = transition_set(
            Step, "reset", [s.id for s in chosen], error_code="", error_message="", waits_for="",
            deadline=None, finished_at=None,
        )  # fmt: skip
        if run.state != "paused":
            _ring({run.id}, now)
        event = run_event(run, "reset", reason=reason, step=step)
        publish_events([event], actor=actor, now=now)
    return moved


def skip_step(
    run_id: uuid.UUID, step: str, *, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """Go on without a failed step, as two people decided. Raises ``RunActionError``."""
    with acting(actor):
        held = Held([run_id])
        run = held.runs[0]
        facts = {f.name: f for f in held.facts(run)}
        held.refuse(lambda r: policies.skip_refusal(r.state, facts.get(step)))
        [row] = [s for s in held.steps[run.id] if s.name == step]
        transition_set(Step, "skip", [row.id], finished_at=now, waits_for="", deadline=None)
        drop_unsent([row], reason=reason, actor=actor, now=now)
        if run.state != "paused":
            _ring({run.id}, now)
        events = [step_event(run, row, "skipped"), run_event(run, "step_skipped", reason=reason,
                                                             step=step)]  # fmt: skip
        publish_events(events, actor=actor, now=now)


def _move(
    name: str, told: str, held: Held, actor: Actor, now: dt.datetime, reason: str, **values: Any
) -> list[uuid.UUID]:
    moved = set(transition_set(WorkflowRun, name, [run.id for run in held.runs], **values))
    events = [run_event(run, told, reason=reason) for run in held.runs if run.id in moved]
    publish_events(events, actor=actor, now=now)
    return list(moved)
