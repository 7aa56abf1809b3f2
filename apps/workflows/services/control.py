"""What people do to runs."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from apps.core.fsm import transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.postings.models import Posting
from apps.postings.services import requeue_postings
from apps.workflows.announce import run_event
from apps.workflows.models import Step, WorkflowRun


def retry_steps(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Decide failed steps again with the facts of today; a failed posting is queued again.

    Returns the ids of the steps that go on.
    """
    with acting(actor):
        steps = list(Step.objects.select_for_update().filter(id__in=ids, state="failed"))
        posted = {
            p.id: p
            for p in Posting.objects.filter(
                id__in=[s.posting_id for s in steps if s.posting_id],
                state__in=["rejected", "dead", "parked"],
            )
        }
        requeued = [s for s in steps if s.posting_id in posted]
        requeue_postings([s.posting_id for s in requeued if s.posting_id], actor=actor, now=now)
        again = [s.id for s in steps if s.posting_id not in posted]
        moved = transition_set(
            Step, "reset", again, error_code="", error_message="", waits_for="", deadline=None
        )
        runs = {step.run_id for step in steps}
        WorkflowRun.objects.filter(id__in=runs).update(due_at=now)
        enqueue_on_commit("workflows.advance")
    return [*moved, *(s.id for s in requeued)]


def pause_runs(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Hold runs where they are; what was sent already is still confirmed."""
    return _move("pause", "paused", ids, actor, now, due_at=None)


def resume_runs(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Let paused runs go on."""
    moved = _move("run", "resumed", ids, actor, now, due_at=now)
    enqueue_on_commit("workflows.advance")
    return moved


def cancel_runs(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """End runs for good; what was posted stays posted."""
    return _move("cancel", "cancelled", ids, actor, now, due_at=None, finished_at=now)


def _move(
    name: str,
    told: str,
    ids: Sequence[uuid.UUID],
    actor: Actor,
    now: dt.datetime,
    **values: Any,
) -> list[uuid.UUID]:
    with acting(actor):
        moved = transition_set(WorkflowRun, name, ids, **values)
        runs = WorkflowRun.objects.filter(id__in=moved)
        publish_events([run_event(run, told) for run in runs], actor=actor, now=now)
    return moved
