"""A connection's lane: one holder at a time of the whole call budget.

It asks each kind of work for jobs in order of priority, calls between transactions, and commits
what came back in small sets, so that a slow call holds up nobody else's result. It is held for at
most a minute by one task that rings again. The lease and the claims under it are short and renewed
while calls are out; a killed worker loses nothing but them, and they end by themselves.
"""

import datetime as dt
import logging
import math
import time
import uuid
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import DateTimeField, Exists, Func, OuterRef

from apps.connectors.lanes.budget import kept, resumed
from apps.connectors.lanes.calls import Calls, fault
from apps.connectors.lanes.counts import count
from apps.connectors.lanes.lease import LaneLease
from apps.connectors.lanes.maintenance import hold
from apps.connectors.lanes.windows import held_until
from apps.connectors.lanes.work import UNASKED, Done, Job, Lane, LaneWork, Priority, lane_works
from apps.connectors.models import Connection, MaintenanceWindow
from apps.connectors.registry import connector_for
from apps.connectors.services import (
    CIRCUIT,
    is_noted,
    note_failure,
    note_success,
    pause_connection,
    store_exchanges,
)
from apps.core.errors import ConfigurationError, OutcomeUnknownError, TransientError
from apps.core.jobs import enqueue_on_commit
from apps.core.stopping import calls_end_at, stopping

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 12.0  # of claiming; with the longest job the lane is held for about a minute
PATIENCE = 0.2
QUIET = 1.0  # seconds until a kind of work that had nothing is asked again
STOOD_STILL = 5.0  # a turn that takes longer was no turn: the process was frozen
STARVED = 5.0  # seconds after which lower work goes before higher, one job of it
SAVE_EVERY = 2.0
_CLOCK = Func(function="clock_timestamp", output_field=DateTimeField())


def run_lane(connection_id: str, *, worker: str) -> int:
    """Work what is due in a connection's lane until nothing is or its time is up.

    Returns how many jobs were done; 0 as well when another worker holds the lane.
    """
    lease = LaneLease.take(connection_id, worker)
    if lease is None:
        return 0
    try:
        run = LaneRun(connection_id, worker, lease)
        done = run.work()
    finally:
        lease.release()
    if run.more:
        enqueue_on_commit("postings.run_lane", connection_id, queue="lanes")
    return done


class LaneRun:
    """One holding of a lane."""

    def __init__(self, connection_id: str, worker: str, lease: LaneLease) -> None:
        self._read(connection_id)
        self.worker, self.lease = worker, lease
        self.more, self.jobs_done = False, 0
        self._ending = self._lost = False
        self._unjudged_until = 0.0
        self.works: Sequence[LaneWork] = lane_works()
        self._asked = dict.fromkeys(range(len(self.works)), -1e9)
        self._writers = [
            n for n, work in enumerate(self.works) if work.priority <= Priority.LOOKUP
        ]
        self._served = dict.fromkeys(range(len(self.works)), time.monotonic())
        self._calls_counted = self._refused_counted = 0
        self._saved_at = self._flow_since = time.monotonic()
        self._flow_jobs = self._flow_calls = 0

    def work(self) -> int:
        """Claim, call and settle until nothing is due, then let what is out come to its end."""
        if stopping() or not self._opens():
            return 0
        row, now = self.connection, time.monotonic()
        budget = resumed(row.budget, ceiling=row.concurrency, fixed=row.calls_per_second, now=now)
        first = self._first_jobs(self._lane())
        if first is None:
            return 0
        calls = Calls(row, connector_for(row.vendor), budget, until=self.lease.until)
        try:
            calls.open()
        except ConfigurationError as error:
            self._hand_back(*first, error)
            return 0
        try:
            self._start(calls, *first)
            self._until_done(calls)
            self._save(calls)
        finally:
            calls.close()
        return self.jobs_done

    def _hand_back(self, number: int, jobs: Sequence[Job], error: ConfigurationError) -> None:
        """The credentials cannot be opened: nothing was sent."""
        self.works[number].settle(self._lane(), [Done(job, error=error) for job in jobs])
        self._pause(error)

    def _first_jobs(self, lane: Lane) -> tuple[int, Sequence[Job]] | None:
        """The first jobs, claimed before a thread and a client are made for them. Lookups go
        first: what they find absent, or need not ask about, may be sent at once."""
        room = 1 if lane.probing else max(1, 2 * self.connection.concurrency)
        others = [n for n in range(len(self.works)) if n not in self._writers]
        order = [*reversed(self._writers), *others]
        for number in sorted(order, key=lambda n: self._is_probed_last(lane, n)):
            jobs = self.works[number].claim(lane, room)
            if jobs:
                return number, jobs
            self._asked[number] = time.monotonic()
        return None

    def _until_done(self, calls: Calls) -> None:
        looked = time.monotonic()
        stop = looked + CLAIM_SECONDS
        while True:
            self._keep(calls)
            opens = not self._ending and self._opens()
            if not opens and not self._rests(calls):
                self._end(calls)
            claims = opens and time.monotonic() < stop
            begun = self._claim(calls) if claims else 0
            if calls.out == 0 and not begun:
                self.more = self._ending or time.monotonic() >= stop
                return
            results, now = calls.gather(PATIENCE), time.monotonic()
            if now - looked > STOOD_STILL:  # what ended meanwhile, or ends now, we failed to hear
                self._unjudged_until = now + 1.0
            looked = now
            self._settle(calls, results)

    def _rests(self, calls: Calls) -> bool:
        """Whether the platform asked for rest, which the gate keeps by itself."""
        return calls.gate.budget.held_until > time.monotonic()

    def _keep(self, calls: Calls) -> None:
        """Renew the lease and what is claimed under it.

        When it is not ours any more, the worker shall stop, or the platform may not be called any
        more (a window begins, a person pauses it), nothing more is claimed or sent.
        What still comes back is offered for settling, which refuses what somebody else holds.
        """
        if stopping():
            self._end(calls)
        if self.lease.is_due and not self._lost:
            if self.lease.renew():
                lane = self._lane()
                for number, jobs in calls.jobs_out().items():
                    self.works[number].renew(lane, jobs)
            else:
                logger.warning("the lane of %s was taken over", self.connection.code)
                self._lost = True
                self._end(calls)
        until = min(self.lease.until, calls_end_at() or math.inf)
        if until != calls.until:
            calls.keep_until(until)

    def _end(self, calls: Calls) -> None:
        if not self._ending:
            self._ending = True
            calls.shut()

    def _claim(self, calls: Calls) -> int:
        """Ask each kind for jobs while there is room."""
        lane, begun = self._lane(), 0
        if self._rests(calls):
            return 0
        for number in self._order(lane):
            room = self._room(calls, lane, self.works[number].priority)
            if room <= 0 or time.monotonic() - self._asked[number] < self._quiet(number):
                continue
            jobs = self.works[number].claim(lane, room)
            self._asked[number] = time.monotonic() if not jobs else -1e9
            self._start(calls, number, jobs)
            begun += len(jobs)
        return begun

    def _quiet(self, number: int) -> float:
        return PATIENCE if self.works[number].priority <= Priority.LOOKUP else QUIET

    def _order(self, lane: Lane) -> list[int]:
        """By priority, but what was not served for long goes first."""
        now = time.monotonic()
        return sorted(
            range(len(self.works)),
            key=lambda n: (
                now - self._served[n] < STARVED, self._is_probed_last(lane, n),
                self.works[n].priority, n,
            ),
        )  # fmt: skip

    def _is_probed_last(self, lane: Lane, number: int) -> bool:
        """Of the probes of a half-open circuit: a write that fails sends the reads to rest too, so
        they go before it, and an outage of writes alone does not stop them."""
        return lane.probing and self.works[number].priority == Priority.POSTING

    def _room(self, calls: Calls, lane: Lane, priority: Priority) -> int:
        budget = calls.gate.budget
        # Twice the width: while results are committed, the next calls are at the gate already.
        free = (1 if lane.probing else 2 * budget.at_once) - calls.out
        if budget.pace is not None:  # no more than can leave within their claim
            free = min(free, max(1, int(budget.pace * 5)) - calls.out)
        return free if priority <= Priority.LOOKUP else min(free, 1)

    def _start(self, calls: Calls, number: int, jobs: Sequence[Job]) -> None:
        if jobs:
            self._served[number] = time.monotonic()
            calls.start(jobs, self.works[number].priority, number)

    def _lane(self) -> Lane:
        """The lane as it was read last, at the present moment of the database's clock."""
        row, born = self.connection, time.monotonic()
        return Lane(
            row, connector_for(row.vendor), self.worker, born=born, now=self._now(born),
            probing=row.circuit != "closed", draining=row.state == "draining",
        )  # fmt: skip

    def _read(self, connection_id: uuid.UUID | str) -> None:
        """Read the row with its windows and the database's clock: in one statement where there
        are no windows, as a lane that waits does it five times a second."""
        self._read_at = time.monotonic()
        windows = MaintenanceWindow.objects.filter(connection=OuterRef("id"))
        row = Connection.objects.annotate(clock=_CLOCK, has_windows=Exists(windows)).get(
            id=connection_id
        )
        self.connection = row
        self._clock: dt.datetime = row.clock
        self._windows = list(row.windows.all()) if row.has_windows else []

    def _now(self, at: float) -> dt.datetime:
        """The database's clock at a monotonic moment, carried on from its last reading; it is at
        most as far ahead as that reading took."""
        return self._clock + dt.timedelta(seconds=at - self._read_at)

    def _opens(self) -> bool:
        """Whether the platform may be called now: active or draining, its circuit lets a probe
        through, no window and no Retry-After holds it."""
        self._read(self.connection.id)
        row, now = self.connection, self._clock
        over = held_until(self._windows, now)
        if over is not None and (row.held_until is None or row.held_until < over):
            hold(row.id, until=over, reason="maintenance window")
            return False
        if row.held_until is not None and row.held_until > now:
            return False
        if row.circuit != "closed" and row.circuit_until and row.circuit_until > now:
            return False
        return row.state in ("active", "draining")

    def _settle(self, calls: Calls, results: dict[int, list[Done]]) -> None:
        self._store_exchanges(calls)
        if not results:
            return
        everything = [one for done in results.values() for one in done]
        judged = not self._ending and time.monotonic() >= self._unjudged_until
        if judged:  # what was given up says nothing of the platform
            self._note_health(calls, everything)  # first: in an outage no attempt is used up
        lane = self._lane()
        for number, done in sorted(results.items()):
            self._settle_apart(self.works[number], lane, done)
            self.jobs_done += len(done)
            self._asked[number] = -1e9
        # A posting that went through lets the next of its key follow.
        self._asked.update(dict.fromkeys(self._writers, -1e9))
        self._count(calls, len(everything))

    def _store_exchanges(self, calls: Calls) -> None:
        records = [calls.records.popleft() for _ in range(len(calls.records))]
        if not records:
            return
        try:
            with transaction.atomic():
                store_exchanges(self.connection, records)
        except Exception:
            # The evidence is lost, the calls were made: their results must still be settled.
            logger.exception("exchanges of %s were not stored", self.connection.code)

    def _settle_apart(self, work: LaneWork, lane: Lane, done: Sequence[Done]) -> None:
        """Commit results together; when that fails, in halves until what is at fault stands alone:
        it undoes no neighbour's result."""
        try:
            work.settle(lane, done)
        except (OperationalError, InterfaceError):
            raise  # the database is away, which no result is at fault for: claims run out
        except Exception as error:
            logger.exception("%d results of %s cannot be written", len(done), work.name)
            for part in _parts(done, error):
                self._settle_apart(work, lane, part)

    def _note_health(self, calls: Calls, done: Sequence[Done]) -> None:
        """Feed the circuit: refusals are answers too; only silence and faults count against it.
        A read that was answered says nothing of the writes (ADR-0034)."""
        now = self._now(time.monotonic())
        asked = [one for one in done if one.error is None or one.error.facts.code not in UNASKED]
        stopped = next((o.error for o in asked if isinstance(o.error, ConfigurationError)), None)
        if stopped is not None:
            self._pause(stopped)
            calls.shut()
            return
        broken = [one for one in asked if _is_broken(one)]
        wrote = any(one.job.writes for one in asked if not _is_broken(one))
        if len(broken) < len(asked):
            if not is_noted(self.connection, now=now, writes=wrote):
                note_success(self.connection.id, now=now, writes=wrote)
            broken = [one for one in broken if one.job.writes and not wrote]
        if broken and self._note_failures(broken, now):
            self.connection.circuit = "open"
            calls.shut()

    def _note_failures(self, broken: Sequence[Done], now: dt.datetime) -> bool:
        error = broken[-1].error
        assert error is not None  # noqa: S101 - what is broken has one
        return note_failure(
            self.connection.id, error.facts, now=now, calls=len(broken),
            writes=sum(one.job.writes for one in broken),
        )  # fmt: skip

    def _pause(self, error: ConfigurationError) -> None:
        pause_connection(
            self.connection.id, reason=error.facts.message, actor=CIRCUIT,
            now=self._now(time.monotonic()),
        )  # fmt: skip

    def _count(self, calls: Calls, settled: int) -> None:
        made, refused = calls.gate.calls, calls.gate.refused
        count(
            self.connection.id, calls=made - self._calls_counted,
            refused=refused - self._refused_counted, settled=settled,
        )  # fmt: skip
        self._calls_counted, self._refused_counted = made, refused
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self._save(calls)

    def _flow(self, calls: Calls, now: float) -> dict[str, float]:
        """How much goes through: jobs a second while there is work, and calls a job; smoothed
        over about a minute."""
        known, busy = self.connection.budget, now - self._flow_since
        jobs, made = self.jobs_done - self._flow_jobs, calls.gate.calls - self._flow_calls
        if busy < 1 or jobs < 1:
            return {k: known[k] for k in ("jobs_per_second", "calls_each") if k in known}
        self._flow_since, self._flow_jobs = now, self.jobs_done
        self._flow_calls = calls.gate.calls
        flow = {
            "jobs_per_second": _share(
                known.get("jobs_per_second"), jobs / busy, min(1, busy / 20)
            ),
            "calls_each": _share(known.get("calls_each"), made / jobs, min(1, busy / 20)),
        }
        self.connection.budget = flow
        return flow

    def _save(self, calls: Calls) -> None:
        """What the lane learnt, and until when the vendor asked for rest, for its next holder."""
        budget, now = calls.gate.budget, time.monotonic()
        self._saved_at = now
        learnt = {**kept(budget, now), **self._flow(calls, now)}
        Connection.objects.filter(id=self.connection.id).update(budget=learnt)
        if budget.held_until > now:
            until = self._now(now) + dt.timedelta(seconds=budget.held_until - now)
            hold(self.connection.id, until=until, reason="asked for by the platform")


def _is_broken(done: Done) -> bool:
    """Whether the platform failed, or did not answer."""
    return isinstance(done.error, TransientError | OutcomeUnknownError) and (
        done.error.facts.code != "rate_limited"
    )


def _parts(done: Sequence[Done], error: Exception) -> list[Sequence[Done]]:
    """What to settle instead of results that failed together: halves, or of one alone that our
    connector failed. Nothing when that was said already: its claim runs out."""
    if len(done) > 1:
        half = len(done) // 2
        return [done[:half], done[half:]]
    [one] = done
    failed = fault(one.job, error)
    if one.error is not None and one.error.facts.code == failed.facts.code:
        return []
    return [[Done(one.job, error=failed)]]


def _share(known: float | None, seen: float, weight: float) -> float:
    return round(seen if known is None else (1 - weight) * known + weight * seen, 3)
