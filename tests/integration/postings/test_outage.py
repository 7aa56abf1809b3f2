"""Outages: what the circuit is told, what waits, and that no attempt is burnt."""

import time

import httpx
import pytest

from apps.connectors.lanes import run
from apps.connectors.lanes.calls import Calls
from apps.connectors.lanes.lease import database_now
from apps.connectors.lanes.run import run_lane
from apps.connectors.models import Connection
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.postings.models import Posting
from apps.postings.selectors import due_lanes
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def states():
    return list(Posting.objects.order_by("sequence").values_list("state", flat=True))


def test_an_outage_burns_no_attempts_and_few_calls(monkeypatch, entity):
    """REL-38, REL-39, I11: fifteen minutes down, then everything goes through."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 60)
    vendor.takes = lambda _: httpx.Response(503, json={})
    for _ in range(60):  # 15 min in steps of 15 s
        run_lane(str(connection.id), worker="w")
        pass_time(15)
    down = len(vendor.calls)
    counted = Posting.objects.filter(first_sent_at__isnull=False).count()
    assert counted > 0
    assert down <= 1.1 * counted + 1
    assert set(states()) == {"queued"}
    assert DeadLetter.objects.count() == 0
    assert max(Posting.objects.values_list("attempts", flat=True)) <= 1
    vendor.takes = None
    for _ in range(12):
        run_lane(str(connection.id), worker="w")
        pass_time(61)
    assert set(states()) == {"confirmed"}
    assert len(vendor.documents) == 60
    assert Connection.objects.get().circuit == "closed"


def test_an_outage_of_writes_alone_burns_no_attempts(monkeypatch, entity):
    """REL-39: reads and polls are answered all the time (ADR-0034)."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 3)
    vendor.takes = lambda request: httpx.Response(503) if request.method == "POST" else None
    opened = 0
    for _ in range(30):
        Connection.objects.update(next_poll_at=database_now(), poll_every_seconds=60)
        run_lane(str(connection.id), worker="w")
        opened += Connection.objects.get().circuit == "open"
        pass_time(61)
    assert opened >= 25
    assert len([call for call in vendor.calls if call[0] == "POST"]) > 5 * 3  # each would be dead
    assert vendor.polled >= 25
    assert set(states()) == {"queued"}
    assert (DeadLetter.objects.count(), ExceptionCase.objects.count()) == (0, 0)
    vendor.takes = None
    for _ in range(3):
        run_lane(str(connection.id), worker="w")
        pass_time(61)
    assert set(states()) == {"confirmed"}
    row = Connection.objects.get()
    assert (row.circuit, row.consecutive_failures, row.write_failures) == ("closed", 0, 0)


def test_a_document_alone_in_an_outage_does_not_die(monkeypatch, entity):
    """REL-39: its own fifth failure opens the circuit, and uses up no attempt."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    vendor.takes = lambda _: httpx.Response(503)
    for _ in range(8):
        run_lane(str(connection.id), worker="w")
        pass_time(61)
    assert (states(), Connection.objects.get().circuit) == (["queued"], "open")
    assert len(vendor.calls) == 8
    assert DeadLetter.objects.count() == 0
    vendor.takes = None
    run_lane(str(connection.id), worker="w")
    assert states() == ["confirmed"]


def test_a_write_that_did_not_leave_says_nothing_of_the_platform(monkeypatch, entity):
    """Its claim was too old: the circuit stays as the failed writes left it."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    Connection.objects.update(
        circuit="open", consecutive_failures=5, write_failures=5, last_failure_at=database_now()
    )
    monkeypatch.setattr("apps.postings.services.lane.may_still_send", lambda *_: False)
    monkeypatch.setattr(run, "CLAIM_SECONDS", 0.5)
    run_lane(str(connection.id), worker="w")
    assert (vendor.calls, states()) == ([], ["queued"])
    assert Posting.objects.get().attempts == 0
    assert Connection.objects.get().circuit == "open"


def test_one_probe_goes_while_the_circuit_is_half_open(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 20)
    vendor.takes = lambda _: httpx.Response(503, json={})
    run_lane(str(connection.id), worker="w")
    assert Connection.objects.get().circuit == "open"
    before = len(vendor.calls)
    assert run_lane(str(connection.id), worker="w") == 0
    assert due_lanes() == []
    pass_time(6)
    run_lane(str(connection.id), worker="w")
    assert len(vendor.calls) == before + 1


@pytest.mark.parametrize("frozen", [True, False])
def test_a_worker_that_was_frozen_does_not_judge_the_platform(monkeypatch, entity, frozen):
    """Its own calls ran out while it stood still: that opened the circuit of a sound platform."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 4)
    vendor.takes = lambda request: httpx.Response(503, json={})
    inner = Calls.gather

    def slowly(calls, patience):
        if frozen:
            time.sleep(0.3)
        return inner(calls, patience)

    monkeypatch.setattr(run, "STOOD_STILL", 0.2)
    monkeypatch.setattr(Calls, "gather", slowly)
    run_lane(str(connection.id), worker="w")
    row = Connection.objects.get()
    assert (row.consecutive_failures == 0) == frozen
    assert len(vendor.writes) == 0
    assert vendor.calls
