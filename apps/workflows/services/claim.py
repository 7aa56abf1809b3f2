"""Holding runs: a claim raises the run's epoch, and a write under an older epoch is refused."""

import datetime as dt
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from apps.core.fsm import transition_rows
from apps.core.rows import run_together, uuid_array
from apps.events.services import actor_statement, publish_events
from apps.workflows.announce import run_event
from apps.workflows.models import WorkflowRun
from apps.workflows.policies import BATCH, SET_SIZES
from apps.workflows.services.start import ENGINE
from apps.workflows.services.turns import Turn
from apps.workflows.types import HeldRun

logger = logging.getLogger(__name__)

DUE_STATES = ["pending", "running", "waiting", "failed"]
HELD_STATES = ("running", "waiting")
BACK = ["compensating"]  # on their way back
LEASE = dt.timedelta(seconds=15)  # by the database's clock; renewed between rounds

# The eldest due run says how large the set is: the more often it was dispatched in vain, the
# fewer go with it. What another worker holds or has locked is passed over.
_DUE = """
WITH due AS MATERIALIZED (
    SELECT id, definition, definition_version, subject_type, subject_id, label, legal_entity_id,
           journey_id, amount, currency, state, epoch, attempts, fingerprint, held_for, due_at
    FROM workflows_workflowrun
    WHERE due_at <= greatest(statement_timestamp(), %s) AND state = ANY(%s)
      AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
    ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
), eldest AS (
    SELECT attempts, (clock_timestamp() + %s::interval)::text AS held_until
    FROM due ORDER BY due_at LIMIT 1
)
SELECT id, definition, definition_version, subject_type, subject_id, label, legal_entity_id,
       journey_id, amount, currency, state, epoch, attempts, fingerprint, held_for, held_until
FROM due JOIN eldest USING (attempts)
ORDER BY id LIMIT (SELECT (%s::int[])[least(attempts + 1, %s)] FROM eldest)
"""
_TAKE = """
UPDATE workflows_workflowrun AS run
SET epoch = run.epoch + 1, attempts = run.attempts + 1, due_at = %s, claimed_until = %s
WHERE id = ANY(%s::uuid[])
"""
_HOLD = """
SELECT id, epoch, state, CASE WHEN due_at IS DISTINCT FROM claimed_until THEN due_at END
FROM workflows_workflowrun WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_RENEW = """
WITH until AS (SELECT clock_timestamp() + %s::interval AS held)
UPDATE workflows_workflowrun AS run SET attempts = 1, claimed_until = until.held,
    due_at = CASE WHEN due_at = claimed_until THEN until.held ELSE due_at END
FROM until WHERE id = ANY(%s::uuid[])
"""


def claim_runs(
    *, now: dt.datetime, limit: int = BATCH, states: Sequence[str] = DUE_STATES
) -> list[HeldRun]:
    """Take a set of due runs under a raised epoch, each counted as dispatched.

    Who dies with a claim leaves the runs due again when the lease is over.
    """
    parameters = [now, list(states), limit, str(LEASE), list(SET_SIZES), len(SET_SIZES)]
    with transaction.atomic():
        _, rows = run_together([actor_statement(ENGINE), (_DUE, parameters)])
        runs = [HeldRun(*row) for row in rows]
        fresh = [run for run in runs if run.state in ("pending", "failed")]
        transition_rows(WorkflowRun, "run", [(run.id, _claimed(run)) for run in fresh])
        _take([run for run in runs if run.state not in ("pending", "failed")])
    for run in runs:
        run.epoch, run.attempts = run.epoch + 1, run.attempts + 1
    return runs


def _claimed(run: HeldRun) -> dict[str, Any]:
    return {
        "epoch": run.epoch + 1,
        "attempts": run.attempts + 1,
        "due_at": run.held_until,
        "claimed_until": run.held_until,
    }


def _take(runs: Sequence[HeldRun]) -> None:
    if runs:
        until = runs[0].held_until
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, [until, until, uuid_array(run.id for run in runs)])


def hold_turns(turns: Sequence[Turn], *, now: dt.datetime) -> list[Turn]:
    """Lock the runs of a set for this transaction and sign it; returns those still ours.

    A run under another epoch was taken over while we stalled: our write is refused and the
    refusal told as ``run.stale_refused``. One that a person paused or cancelled is left alone.
    """
    held = _held([turn.run for turn in turns], now)
    return [turn for turn in turns if turn.run.id in held]


def _held(
    runs: Sequence[HeldRun], now: dt.datetime, states: Sequence[str] = HELD_STATES
) -> set[uuid.UUID]:
    ids = uuid_array(run.id for run in runs)
    _, found = run_together([actor_statement(ENGINE), (_HOLD, [ids])])
    rows = {row[0]: row[1:] for row in found}
    held, stale = set(), []
    for run in runs:
        epoch, state, woken_at = rows[run.id]
        if epoch != run.epoch:
            stale.append(run)
        elif state in states:
            run.state, run.due_at = state, woken_at
            held.add(run.id)
    _refuse(stale, now)
    return held


def hold_run(run: HeldRun, *, now: dt.datetime) -> bool:
    """Lock one run for this transaction and sign it; False when it is no more ours to advance."""
    return bool(_held([run], now))


def hold_back(runs: Sequence[HeldRun], *, now: dt.datetime) -> set[uuid.UUID]:
    """Lock runs on their way back for this transaction and sign it; returns those still ours."""
    return _held(runs, now, BACK)


def _refuse(runs: Sequence[HeldRun], now: dt.datetime) -> None:
    if runs:
        logger.warning("%s runs were taken over while this worker stalled", len(runs))
        events = [run_event(run, "stale_refused") for run in runs]
        publish_events(events, actor=ENGINE, now=now)


def keep_claims(ids: Sequence[uuid.UUID]) -> None:
    """Hold on to runs that go on: the next round is their first dispatch again."""
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(_RENEW, [str(LEASE), uuid_array(ids)])
