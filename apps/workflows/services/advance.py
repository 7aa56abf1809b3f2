"""Advancing many runs at once: each round of a set is committed before its next one begins."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence

from apps.core.errors import StaleWriteError
from apps.core.failpoints import failpoint
from apps.core.halving import DATABASE_FAULTS
from apps.core.jobs import bells_gathered, enqueue
from apps.workflows.policies import BATCH, is_given_up
from apps.workflows.services.claim import LEASE, claim_runs
from apps.workflows.services.fail import fail_run, give_up
from apps.workflows.services.hear import hear_missed
from apps.workflows.services.hold import admit
from apps.workflows.services.rounds import play_round
from apps.workflows.services.start import QUEUE
from apps.workflows.services.turns import load_turns
from apps.workflows.types import HeldRun

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
            give_up(run, now=now)
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
            fail_run(going[0], error, now=now)
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
        if keep:
            renewed = time.monotonic()
            for turn in turns:
                turn.run.attempts = 1
        failpoint("step.after_commit")
        if done.waiting:
            hear_missed(done.waiting, now=now)
        yield [turn.run for turn in turns]
        failpoint("saga.between")
