"""Runs that fail alone: each rests and is tried again, until a person is told of it."""

import datetime as dt
import logging
import random
from collections.abc import Callable

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import HubError
from apps.core.fsm import transition_rows
from apps.events.services import publish_events
from apps.exceptions.services import open_cases
from apps.workflows.announce import step_case, step_event
from apps.workflows.definition import Refuse
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.policies import is_last_dispatch, pause_after
from apps.workflows.registry import definition_of
from apps.workflows.services.claim import hold_run
from apps.workflows.services.rounds import RELEASED, fault, own_fault, told
from apps.workflows.services.start import ENGINE
from apps.workflows.services.turns import OVER
from apps.workflows.types import HeldRun

logger = logging.getLogger(__name__)

DEATHS = "RuntimeError: Every worker that took this run ended while it did"


def fail_run(run: HeldRun, error: Exception, *, now: dt.datetime) -> None:
    """A run that fails alone. What the hub knows the meaning of goes to a person at once; any
    other error may pass, so that the run rests, until its dispatches are used up."""
    if isinstance(error, HubError) or is_last_dispatch(run.attempts):
        logger.error("run %s of %s stopped", run.id, run.definition, exc_info=error)
        _stop(run, lambda step: fault(run, step.name, error), now)
    else:
        logger.warning("run %s of %s failed and rests", run.id, run.definition, exc_info=error)
        _rest(run, error, now)


def give_up(run: HeldRun, *, now: dt.datetime) -> None:
    """A run whose dispatches all came to no end goes to a person, with the error that one of them
    left behind; where there is none, every worker ended."""
    logger.error("run %s of %s is given up", run.id, run.definition)
    _stop(run, lambda step: own_fault(run, step.name, step.error_message or DEATHS), now)


def _rest(run: HeldRun, error: Exception, now: dt.datetime) -> None:
    """Let go of a run until it has rested. Its dispatches stay counted: that nothing was done is
    what tells it from a run that went on."""
    rest = pause_after(run.attempts, random.random())  # noqa: S311 - no secret
    with transaction.atomic():
        if not hold_run(run, now=now):
            return
        if (step := _step_at_fault(run)) is not None:
            Step.objects.filter(id=step.id).update(
                error_code="processing_fault", error_message=told(error)
            )
        WorkflowRun.objects.filter(id=run.id).update(claimed_until=None, due_at=Now() + rest)


def _stop(run: HeldRun, say: Callable[[Step], Refuse], now: dt.datetime) -> None:
    """The run's step fails with one case."""
    with transaction.atomic():
        if not hold_run(run, now=now):
            return
        step = _step_at_fault(run)
        if step is not None:
            refusal = say(step)
            step.error_code, step.error_message = refusal.code, refusal.explanation
            step.attempt += 1
            values = {
                "error_code": step.error_code,
                "error_message": step.error_message,
                "attempt": step.attempt,
            }
            transition_rows(Step, "fail", [(step.id, values)])
            publish_events([step_event(run, step, "failed")], actor=ENGINE, now=now)
            open_cases([step_case(run, step, refusal)], actor=ENGINE, now=now)
        transition_rows(WorkflowRun, "fail", [(run.id, {**RELEASED, "due_at": None})])


def _step_at_fault(run: HeldRun) -> Step | None:
    """The first step whose turn it is; by position alone when this release has no such
    definition."""
    steps = list(Step.objects.filter(run_id=run.id))
    over = {step.name for step in steps if step.state in OVER}
    try:
        forms = definition_of(run.definition, run.definition_version).steps
    except LookupError:
        forms = ()
    open_needs = {form.name for form in forms if not over.issuperset(form.needs)}
    pending = (s for s in steps if s.state == "pending" and s.name not in open_needs)
    return next(pending, None)
