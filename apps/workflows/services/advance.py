"""Advancing many runs at once: each round of a set is committed before its next one begins."""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence

from django.db import InterfaceError, OperationalError, transaction

from apps.core.errors import StaleWriteError
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_rows
from apps.core.jobs import bells_gathered, enqueue
from apps.events.services import publish_events
from apps.exceptions.services import open_cases
from apps.workflows.announce import step_case, step_event
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.policies import BATCH, is_given_up
from apps.workflows.registry import definition_of
from apps.workflows.services.claim import LEASE, claim_runs, hold_run
from apps.workflows.services.hear import hear_missed
from apps.workflows.services.hold import admit
from apps.workflows.services.rounds import RELEASED, fault, play_round
from apps.workflows.services.start import ENGINE, QUEUE
from apps.workflows.services.turns import OVER, load_turns
from apps.workflows.types import HeldRun

logger = logging.getLogger(__name__)

# The database itself is at fault, not a run: the claim runs out and the set is taken again.
DATABASE_FAULTS = (OperationalError, InterfaceError)
RENEW_AFTER = LEASE.total_seconds() / 4


def advance_due(*, now: dt.datetime) -> int:
    """Advance a set of due runs as far as they go. Returns how many were claimed."""
    runs = claim_runs(now=now)
    if len(runs) == BATCH:
        enqueue("workflows.advance", queue=QUEUE)  # there is more: an idle worker may join
    sound = [run for run in runs if not is_given_up(run.attempts)]
    sound = admit(sound, now=now)
    for run in runs:
        if is_given_up(run.attempts):
            _stop(run, RuntimeError("Every worker that took this run ended while it did"), now)
    if sound:
        failpoint("step.after_claim")
        with bells_gathered():
            _advance(sound, now)
    return len(runs)


def _advance(runs: Sequence[HeldRun], now: dt.datetime) -> None:
    """All rounds of a set. One that fails is halved until the run at fault stands alone; rounds
    that were committed stand, and every other run goes on."""
    going = list(runs)
    try:
        for left in _rounds(runs, now):
            going = left
    except DATABASE_FAULTS:
        raise
    except StaleWriteError:
        _advance(going, now)
    except Exception as error:  # noqa: BLE001 - halved, and told in the case of the one at fault
        if len(going) == 1:
            _stop(going[0], error, now)
            return
        middle = len(going) // 2
        _advance(going[:middle], now)
        _advance(going[middle:], now)


def _rounds(runs: Sequence[HeldRun], now: dt.datetime) -> Iterator[list[HeldRun]]:
    """Play round after round; after each come the runs that go on."""
    turns = load_turns(runs)
    renewed = time.monotonic()
    while turns:
        keep = time.monotonic() - renewed > RENEW_AFTER or turns[0].run.attempts > 1
        turns, done = play_round(turns, now=now, keep=keep)
        failpoint("step.after_commit")
        if keep:
            renewed = time.monotonic()
            for turn in turns:
                turn.run.attempts = 1
        if done.waiting:
            hear_missed(done.waiting, now=now)
        yield [turn.run for turn in turns]
        failpoint("saga.between")


def _stop(run: HeldRun, error: Exception, now: dt.datetime) -> None:
    """A run that fails alone goes to a person: its step fails with one case."""
    logger.error("run %s of %s stopped", run.id, run.definition, exc_info=error)
    with transaction.atomic():
        if not hold_run(run, now=now):
            return
        step = _step_at_fault(run)
        if step is not None:
            refusal = fault(run, step.name, error)
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
