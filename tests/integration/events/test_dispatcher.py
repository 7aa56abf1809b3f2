"""REL-14: subscribers get every event once, whatever the order in which writers commit."""

import random
import threading
import time
import uuid

import pytest
from django.db import OperationalError, connection, transaction

from apps.core.clock import utc_now
from apps.events import registry
from apps.events.models import Cursor, Event, SetAside
from apps.events.selectors import has_unread
from apps.events.services import (
    MOST_FAILURES,
    ask_again,
    dispatch_events,
    hand_over_asked,
    publish_events,
    take_untold,
)
from apps.events.types import NewEvent
from tests.builders.events import wait_until_settled

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, EACH, OPEN_SECONDS = 8, 50, 5


def _event(writer, number):
    data = {"writer": writer, "number": number}
    return NewEvent("thing.made", "thing", uuid.uuid4(), data=data)


def _write(writer, actor):
    """Transactions of one writer: some events each, some held open for a moment."""
    chance, number = random.Random(writer), 0
    while number < EACH:
        some = min(chance.randrange(1, 6), EACH - number)
        with transaction.atomic():
            for _ in range(some):
                publish_events([_event(writer, number)], actor=actor, now=utc_now())
                number += 1
                time.sleep(chance.uniform(0, 0.01))
    connection.close()


def _stay_open(actor):
    """Writes first, commits last: its event has the lowest id of all."""
    with transaction.atomic():
        publish_events([_event("slow", 0)], actor=actor, now=utc_now())
        time.sleep(OPEN_SECONDS)
    connection.close()


def test_eight_writers_and_an_open_transaction(monkeypatch, actor):
    heard = []
    monkeypatch.setattr(registry, "_subscribers", {})
    registry.subscribe("tests.all", "thing.made")(lambda events, _now: heard.extend(events))
    threads = [threading.Thread(target=_stay_open, args=[actor])]
    threads += [threading.Thread(target=_write, args=[n, actor]) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60  # other tests' transactions on this server hold readers back
    while len(heard) < WRITERS * EACH + 1 and time.monotonic() < deadline:
        dispatch_events(now=utc_now())
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    dispatch_events(now=utc_now())
    told = [(event.data["writer"], event.data["number"]) for event in heard]
    assert sorted(map(str, told)) == sorted(
        map(str, [("slow", 0), *((w, n) for w in range(WRITERS) for n in range(EACH))])
    )
    for writer in range(WRITERS):
        assert [n for w, n in told if w == writer] == list(range(EACH))
    assert Cursor.objects.get(name="tests.all").xid > int(heard[-1].xid)


def test_a_subscriber_that_fails_reads_the_same_again_and_stops_nobody(monkeypatch, actor, now):
    heard, broken = [], [True]

    def fail(events, _now):
        if broken[0]:
            raise ZeroDivisionError("a fault of ours")
        heard.extend(events)

    good = []
    monkeypatch.setattr(registry, "_subscribers", {})
    registry.subscribe("tests.a_bad", "thing.made")(fail)
    registry.subscribe("tests.good", "thing.made")(lambda events, _now: good.extend(events))
    publish_events([_event("one", 0)], actor=actor, now=now)
    wait_until_settled()
    dispatch_events(now=now)
    assert len(good) == 1
    assert (heard, Cursor.objects.get(name="tests.a_bad").failures > 0) == ([], True)
    broken[0] = False
    dispatch_events(now=now)
    assert heard == []  # it rests, so that what passes by itself is not counted
    _let_rests_end()
    dispatch_events(now=now)
    assert len(heard) == 1
    assert Cursor.objects.get(name="tests.a_bad").failures == 0


def _let_rests_end():
    Cursor.objects.update(retry_at=None)


@pytest.fixture
def poisoned(monkeypatch, actor, now):
    """A subscriber that fails on one of fifty events, and what it heard."""
    heard: list[int] = []
    bad = {30}

    def handle(events, _now):
        if bad & {event.data["number"] for event in events}:
            raise KeyError("tax")
        heard.extend(event.data["number"] for event in events)

    monkeypatch.setattr(registry, "_subscribers", {})
    registry.subscribe("tests.poisoned", "thing.made")(handle)
    publish_events([_event("one", n) for n in range(50)], actor=actor, now=now)
    wait_until_settled()
    return heard, bad


def test_what_comes_before_a_poison_event_is_handed_over_at_once(poisoned, now):
    heard, bad = poisoned
    assert dispatch_events(now=now) == 30
    assert heard == list(range(30))
    assert Cursor.objects.get().failures == 1
    bad.clear()
    _let_rests_end()
    dispatch_events(now=now)
    assert heard == list(range(50))
    assert not SetAside.objects.exists()


def test_a_poison_event_is_set_aside_at_the_fifth_failure(poisoned, now):
    heard, bad = poisoned
    for failures in range(1, MOST_FAILURES):
        dispatch_events(now=now)
        assert (heard, Cursor.objects.get().failures) == (list(range(30)), failures)
        _let_rests_end()
    dispatch_events(now=now)
    assert heard == [n for n in range(50) if n != 30]
    assert not has_unread()
    cursor = Cursor.objects.get()
    assert (cursor.failures, cursor.last_error, cursor.retry_at) == (0, "", None)
    row = SetAside.objects.get()
    assert (row.subscriber, row.error) == ("tests.poisoned", "KeyError: 'tax'")
    assert Event.objects.get(id=row.event_id).data["number"] == 30

    assert [told.id for told in take_untold()] == [row.id]
    assert take_untold() == []
    assert ask_again([row.id]) == [row.id]
    assert hand_over_asked(now=now) == 1  # in vain: a person is told once more
    assert [told.id for told in take_untold()] == [row.id]
    bad.clear()
    ask_again([row.id])
    assert hand_over_asked(now=now) == 1
    assert heard[-1] == 30
    assert hand_over_asked(now=now) == 0
    assert ask_again([row.id]) == []
    assert Event.objects.get(type="set_aside.handed_over").aggregate_id == row.id


def test_a_fault_of_the_database_is_no_events(poisoned, monkeypatch, now):
    def fail(events, _now):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(registry, "_subscribers", {})
    registry.subscribe("tests.poisoned", "thing.made")(fail)
    for _ in range(MOST_FAILURES + 1):
        assert dispatch_events(now=now) == 0
    assert (Cursor.objects.get().failures, SetAside.objects.count()) == (0, 0)


def test_a_reader_of_one_type_passes_over_the_others(monkeypatch, actor, now):
    """Events of other types cost it no page, and leave nothing unread."""
    heard = []
    monkeypatch.setattr(registry, "_subscribers", {})
    registry.subscribe("tests.rare", "thing.rare")(lambda events, _now: heard.extend(events))
    dispatch_events(now=now)
    rare = NewEvent("thing.rare", "thing", uuid.uuid4())
    events = [*(_event("many", n) for n in range(30)), rare, _event("many", 30)]
    publish_events(events, actor=actor, now=now)
    wait_until_settled()
    assert has_unread()
    assert dispatch_events(now=now) == 1
    assert [event.type for event in heard] == ["thing.rare"]
    assert not has_unread()
    assert dispatch_events(now=now) == 0


def test_one_reader_behind_is_enough_to_have_unread(monkeypatch, actor, now):
    """The slowest position is one reader's, not the lowest parts of several."""
    monkeypatch.setattr(registry, "_subscribers", {})
    for name in ("tests.first", "tests.second"):
        registry.subscribe(name, "thing.made")(lambda _events, _now: None)
    publish_events([_event("one", 0)], actor=actor, now=now)
    wait_until_settled()
    dispatch_events(now=now)
    assert not has_unread()
    event = Event.objects.order_by("-id").first()
    Cursor.objects.filter(name="tests.second").update(xid=int(event.xid), last_id=event.id - 1)
    assert has_unread()
