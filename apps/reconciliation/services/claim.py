"""Claims of comparisons: one worker at a time, under an epoch, by the database's clock.

A worker that was killed leaves its run ``running``. When the claim ends the run is handed back and
made again under a higher epoch; should the first worker only have been frozen, its result is
refused and counted.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection as database

from apps.core.errors import StaleWriteError
from apps.core.fsm import transition_set
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.jobs.services import note_stale_writes
from apps.reconciliation.models import ReconciliationRun
from apps.reconciliation.policies import CLAIM_TTL, is_given_up
from apps.reconciliation.services.cases import RECONCILER

_TAKE = """
SELECT epoch, clock_timestamp() + make_interval(secs => %s) FROM reconciliation_reconciliationrun
WHERE id = %s AND state = 'pending' FOR UPDATE SKIP LOCKED
"""
_HOLD = "SELECT pg_advisory_xact_lock(hashtext('q2c.reconciliation'), hashtext(%s))"
_LOST = """
SELECT id FROM reconciliation_reconciliationrun
WHERE state = 'running' AND due_at < clock_timestamp() FOR UPDATE SKIP LOCKED
"""
HELD = "target.epoch = %s"
LOST = (
    "Workers ended each time they made this comparison. Nothing was changed; run it again, and "
    "tell engineering if it fails once more."
)


def claim_run(run_id: uuid.UUID, now: dt.datetime) -> int | None:
    """Take a pending run; returns the epoch of the claim, None when another worker has it."""
    with acting(RECONCILER), database.cursor() as cursor:
        cursor.execute(_TAKE, [CLAIM_TTL.total_seconds(), run_id])
        row = cursor.fetchone()
        if row is None:
            return None
        epoch, until = int(row[0]) + 1, row[1]
        transition_set(
            ReconciliationRun, "start", [run_id], started_at=now, epoch=epoch, due_at=until
        )
    return epoch


def hold_subject(subject: str) -> None:
    """Wait until nobody else writes breaks of a subject; held to the end of the transaction.

    Of two comparisons at once the one that had read less could write last, and what it said would
    stand until the platforms change again.
    """
    with database.cursor() as cursor:
        cursor.execute(_HOLD, [subject])


def settle_run(run_id: uuid.UUID, name: str, epoch: int, values: Mapping[str, Any]) -> None:
    """Take a run out of its claim. Raises ``StaleWriteError`` when it is not ours any more."""
    moved = transition_set(ReconciliationRun, name, [run_id], where=HELD, params=[epoch], **values)
    if not moved:
        raise StaleWriteError(f"reconciliation run {run_id} was taken over by another worker")


def note_taken_over() -> None:
    """Count a result that came too late; its transaction was undone."""
    note_stale_writes("reconciliation.run", 1)


def recover_runs(*, now: dt.datetime) -> list[uuid.UUID]:
    """Hand back runs whose worker is gone; one that was taken up five times in vain fails.

    Returns the ids of those handed back.
    """
    with acting(RECONCILER):
        with database.cursor() as cursor:
            cursor.execute(_LOST)
            lost = [row[0] for row in cursor.fetchall()]
        runs = list(ReconciliationRun.objects.filter(id__in=lost))
        hopeless = [run for run in runs if is_given_up(run.epoch)]
        again = [run for run in runs if not is_given_up(run.epoch)]
        transition_set(
            ReconciliationRun, "fail", [r.id for r in hopeless], error_message=LOST,
            finished_at=now,
        )  # fmt: skip
        transition_set(ReconciliationRun, "hand_back", [r.id for r in again])
        _tell(hopeless, "failed", now)
        _tell(again, "handed_back", now)
    return [run.id for run in again]


def _tell(runs: Sequence[ReconciliationRun], what: str, now: dt.datetime) -> None:
    publish_events([run_event(run, what) for run in runs], actor=RECONCILER, now=now)


def run_event(run: ReconciliationRun, what: str) -> NewEvent:
    """``reconciliation_run.<what>``."""
    return NewEvent(
        type=f"reconciliation_run.{what}",
        aggregate_type="reconciliation_run",
        aggregate_id=run.id,
        data={"number": run.number, "subject": run.subject},
    )
