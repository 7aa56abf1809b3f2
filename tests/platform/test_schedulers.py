"""Any number of schedulers: each slot once, in PostgreSQL (REL-18)."""

import collections
import datetime as dt
import itertools
import random
import threading
import time

import pytest
from django.db import connection

from apps.api.scheduler import ringer as scheduling
from apps.api.scheduler.ringer import Ringer
from apps.api.scheduler.standin import StandIn
from apps.core.bells import Bell
from apps.jobs.models import Heartbeat, ScheduleSlot
from apps.jobs.services import beat, claim_slot, prune
from tests.platform.rig import Hub, wait_for

SLOTS = 50


class Rung(StandIn):
    """Counts what schedulers ring or would do themselves, instead of broker and stand-in."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: collections.Counter[str] = collections.Counter()
        self.lock = threading.Lock()

    def __call__(self, task: str, *ids: str, queue: str = "default") -> None:
        with self.lock:
            self.tasks[task] += 1

    def is_at(self, bell: Bell) -> bool:
        return False

    def take(self, bell: Bell) -> None:
        self(bell.task)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    rung = Rung()
    monkeypatch.setattr(scheduling, "enqueue", rung)
    monkeypatch.setattr(scheduling, "SCHEDULE", {"jobs.prune": 10})
    return rung


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_of_which_one_dies_at_every_boundary(rung: Rung, now: dt.datetime):
    """At each boundary both pulse at once; the one that lives on takes what the other left."""
    moments = [now + dt.timedelta(seconds=10 * n) for n in range(SLOTS)]
    barrier = threading.Barrier(2, timeout=30)
    names = itertools.count()

    def schedule(dies: bool) -> None:
        ringer = Ringer(f"scheduler-{next(names)}", rung)
        for moment in moments:
            barrier.wait()
            if dies and random.random() < 0.5:
                ringer = Ringer(f"scheduler-{next(names)}", rung)  # a new process: no memory
            ringer.pulse(moment)
            ringer.pulse(moment + dt.timedelta(seconds=5))
        connection.close()

    threads = [threading.Thread(target=schedule, args=(dies,)) for dies in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert rung.tasks["jobs.prune"] == SLOTS
    slots = ScheduleSlot.objects.filter(schedule="jobs.prune").values_list("slot", flat=True)
    assert sorted(slots) == moments


@pytest.mark.django_db(transaction=True)
def test_a_slot_is_claimed_once_by_twenty_at_once(now: dt.datetime):
    barrier, won = threading.Barrier(20, timeout=30), []

    def claim(number: int) -> None:
        barrier.wait()
        won.append(claim_slot("jobs.prune", now, owner=str(number)))
        connection.close()

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == [False] * 19 + [True]


@pytest.mark.django_db
def test_old_slots_and_heartbeats_are_forgotten(now: dt.datetime):
    beat("worker@here:default", "default")
    Heartbeat.objects.create(worker="gone", role="default", beat_at=now - dt.timedelta(days=900))
    today = dt.datetime.now(dt.UTC)
    claim_slot("jobs.prune", today, owner="a")
    claim_slot("jobs.prune", today - dt.timedelta(days=3), owner="a")
    assert prune() == 2
    assert [b.worker for b in Heartbeat.objects.all()] == ["worker@here:default"]
    assert [s.slot for s in ScheduleSlot.objects.all()] == [today]


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_real_schedulers_killed_in_turn(hub: Hub):
    """kill -9 near each boundary of the 5 s slots; the other one claims what is left."""
    begun = dt.datetime.now(dt.UTC)
    for name in ("a", "b"):
        hub.scheduler(name)
    for name in "abababab":
        time.sleep(5.0 - time.time() % 5 + random.uniform(-0.3, 0.3) + 0.3)
        hub.kill(name)
        hub.scheduler(name)
    ended = dt.datetime.now(dt.UTC)
    wait_for(lambda: slots_between(begun, ended) is not None, 10, "slots")
    found = slots_between(begun, ended)
    print(f"\n{len(found)} slots of 5 s, {len(hub.processes)} schedulers")
    expected = int(ended.timestamp() // 5) - int(begun.timestamp() // 5)
    assert len(set(found)) == len(found)
    assert len(found) >= expected - 2  # the first ones passed while they started


def slots_between(begun: dt.datetime, ended: dt.datetime) -> list[dt.datetime]:
    rows = ScheduleSlot.objects.filter(
        schedule="monitoring.rebuild", slot__gte=begun, slot__lte=ended
    )
    return list(rows.values_list("slot", flat=True))
