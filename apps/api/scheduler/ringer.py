"""One look at what is due, five times a second, and the schedule's slots."""

import datetime as dt
from collections.abc import Callable, Iterator

from apps.api.scheduler.standin import StandIn
from apps.connectors.models import Connection
from apps.core.bells import Bell
from apps.core.clock import set_clock
from apps.core.failpoints import failpoint
from apps.core.jobs import enqueue, seconds_since_sent
from apps.events.selectors import has_unread, has_unsealed
from apps.ingestion.selectors import due_readers, has_due, has_unsplit
from apps.jobs.selectors import BELLS, ages_by_role
from apps.jobs.services import beat, claim_slot
from apps.postings.selectors import due_lanes
from apps.workflows.selectors import has_due_runs

QUIET = dt.timedelta(seconds=1.5)  # a bell is rung again only after this, while work stays due
ROLL_CALL = dt.timedelta(seconds=3)  # how often idle workers are rung to hear that they live
UNHEARD = dt.timedelta(seconds=10)  # a queue on which nobody began a task for this long

ROLL = "jobs.beat"

# name of the task → seconds between its slots
SCHEDULE = {
    "ingestion.expire": 10,
    "workflows.expire": 10,
    "exceptions.wake_snoozed": 30,
    "monitoring.rebuild": 5,
    "postings.report_unsettled": 30,
    "reconciliation.work": 5,
    "resolutions.sweep_batches": 10,
    "resolutions.report_set_aside": 10,
    "events.hand_over": 10,
    "approvals.expire": 60,
    "reconciliation.review": 60,
    "events.ensure_partitions": 3600,
    "jobs.prune": 3600,
}
SNAPSHOTS_EVERY = 60


class Ringer:
    """Rings for what is due; remembers which bells were rung a moment ago.

    A queue on which nobody answers is worked by the stand-in, in this process (ADR-0025).
    """

    def __init__(self, name: str, stand_in: StandIn) -> None:
        self.name = name
        self.stand_in = stand_in
        self.rung: dict[Bell, dt.datetime] = {}
        self.slots: dict[str, dt.datetime] = {}
        self.called: dt.datetime | None = None
        self.began: dt.datetime | None = None
        self.heard: frozenset[str] | None = None  # None: too early to tell
        self.queues = {"default", "workflows", "lanes"}

    def pulse(self, now: dt.datetime) -> None:
        """Ring for everything that is due at ``now`` (UTC)."""
        self.began = self.began or now
        if self.called is None or now - self.called >= ROLL_CALL:
            self.called = now
            self._call_the_roll(now)
        for bell, is_due in self._looks():
            if self._may_ring(bell, now) and is_due():
                self._ring(bell, now)
        for bell in self._of_connections(now):
            if self._may_ring(bell, now):
                self._ring(bell, now)
        self._claim_slots(now)

    @staticmethod
    def _looks() -> Iterator[tuple[Bell, Callable[[], bool]]]:
        yield Bell("ingestion.split"), has_unsplit
        yield Bell("ingestion.process"), has_due
        yield Bell("workflows.advance", (), "workflows"), has_due_runs
        yield Bell("events.dispatch"), has_unread
        yield Bell("events.seal"), has_unsealed

    @staticmethod
    def _of_connections(now: dt.datetime) -> Iterator[Bell]:
        for connection_id in due_lanes():
            yield Bell("postings.run_lane", (connection_id,), "lanes")
        for connection_id in due_readers(now):
            yield Bell("ingestion.read", (connection_id,), "lanes")

    def _may_ring(self, bell: Bell, now: dt.datetime) -> bool:
        self.queues.add(bell.queue)
        if self._is_unheard(bell.queue):
            return not self.stand_in.is_at(bell)
        last = self.rung.get(bell)
        return last is None or now - last >= QUIET

    def _ring(self, bell: Bell, now: dt.datetime) -> None:
        self.rung[bell] = now
        enqueue(bell.task, *bell.ids, queue=bell.queue)
        failpoint("relay.after_ring")

    def take(self, bell: Bell) -> bool:
        """Do here what nobody would hear; False when somebody hears it. For ``divert``."""
        if bell.task == ROLL or not self._is_unheard(bell.queue):
            return False
        self.stand_in.take(bell)
        return True

    def _is_unheard(self, queue: str) -> bool:
        return self.heard is not None and queue not in self.heard

    def _call_the_roll(self, now: dt.datetime) -> None:
        """Give every queue something to hear, and note on which ones nobody did."""
        set_clock(beat(self.name, "scheduler"))
        sent = seconds_since_sent()
        if sent is not None and sent < ROLL_CALL.total_seconds() * 2:
            beat(f"{BELLS}:{self.name}", BELLS)
        if self.began is not None and now - self.began >= UNHEARD:  # workers may be starting too
            ages = ages_by_role()
            self.heard = frozenset(queue for queue, age in ages.items() if age < UNHEARD)
        for queue in self.queues:
            enqueue(ROLL, queue=queue)
        self.rung = {bell: at for bell, at in self.rung.items() if now - at < QUIET}

    def _claim_slots(self, now: dt.datetime) -> None:
        for task, seconds in SCHEDULE.items():
            if self._claims(task, seconds, now):
                self._ring(Bell(task), now)
        if self._claims("snapshots.refresh", SNAPSHOTS_EVERY, now):
            for pk in Connection.objects.filter(state="active").values_list("id", flat=True):
                self._ring(Bell("snapshots.refresh", (str(pk),), "lanes"), now)

    def _claims(self, schedule: str, seconds: int, now: dt.datetime) -> bool:
        """Whether this scheduler is the one that rings for the schedule's present slot."""
        slot = dt.datetime.fromtimestamp(now.timestamp() // seconds * seconds, dt.UTC)
        if self.slots.get(schedule) == slot:
            return False
        claimed = claim_slot(schedule, slot, owner=self.name)
        self.slots[schedule] = slot
        return claimed
