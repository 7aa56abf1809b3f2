"""SIGTERM under load: what is under way ends or is handed back within 20 s (REL-20)."""

import datetime as dt
import time
from collections.abc import Iterator

import pytest

from apps.connectors.models import Connection
from apps.core import stopping
from apps.core.jobs import enqueue
from apps.ingestion.models import InboundEvent
from apps.jobs.models import Lease
from apps.postings.models import Posting
from tests.platform.rig import Hub, wait_for
from tests.platform.slow import Platform, owed_to, running
from tests.platform.work import is_done, is_heard, owe

POSTINGS = 24


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with running(request.param) as server:
        yield server


@pytest.fixture
def postings(hub: Hub, platform: Platform) -> list[Posting]:
    return owed_to(platform, POSTINGS)


def at_work(hub: Hub, platform: Platform) -> None:
    hub.worker("lanes", "lanes")
    wait_for(lambda: _rings_until_taken(platform), 40, "a call")


def _rings_until_taken(platform: Platform) -> bool:
    for connection in Connection.objects.filter(code="provisioning"):
        _send_bell(str(connection.id))
    time.sleep(0.5)
    return bool(platform.taken)


def _send_bell(connection_id: str) -> None:
    """Through the product's own door, at this test's broker."""
    enqueue("postings.run_lane", connection_id, queue="lanes")


@pytest.fixture
def _own_broker(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from q2c.celery import app

    def ring(task: str, *ids: str, queue: str = "default") -> None:
        with app.connection_for_write(hub.broker_url) as connection:
            app.send_task(task, args=ids, queue=queue, connection=connection, retry=False)

    monkeypatch.setitem(globals(), "enqueue", ring)


def held(postings: list[Posting]) -> list[str]:
    """What still waits for a claim or lease to run out."""
    states = [p.state for p in Posting.objects.filter(id__in=[p.id for p in postings])]
    leases = Lease.objects.filter(expires_at__gt=dt.datetime.now(dt.UTC))
    return [s for s in states if s == "sending"] + [lease.key for lease in leases]


@pytest.mark.platform
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_own_broker")
@pytest.mark.parametrize("platform", [1.0], indirect=True)
def test_calls_that_end_in_time_are_finished(
    hub: Hub, platform: Platform, postings: list[Posting]
):
    at_work(hub, platform)
    assert hub.stop("lanes") < 20
    assert held(postings) == []
    rows = list(Posting.objects.all())
    done = [p for p in rows if p.state == "confirmed"]
    assert len(done) == len(set(platform.taken)) > 0
    assert {p.state for p in rows} <= {"confirmed", "queued"}
    assert {p.attempts for p in rows if p.state == "queued"} <= {0}


@pytest.mark.platform
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_own_broker")
@pytest.mark.parametrize("platform", [50.0], indirect=True)
def test_calls_that_take_longer_are_given_up_and_looked_up_soon(
    hub: Hub, platform: Platform, postings: list[Posting]
):
    at_work(hub, platform)
    took = hub.stop("lanes")
    print(f"\nthe lanes' worker stopped within {took:.1f} s")
    assert took < 20
    assert held(postings) == []
    unknown = Posting.objects.filter(state="unknown")
    assert len(unknown) == len(set(platform.taken)) == 4
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    assert all(p.due_at < soon for p in unknown)
    others = Posting.objects.exclude(state="unknown")
    assert {(p.state, p.attempts) for p in others} == {("queued", 0)}


@pytest.mark.platform
@pytest.mark.timeout(180)
def test_a_worker_in_the_middle_of_work_stops_and_another_goes_on(hub: Hub):
    hub.scheduler()
    hub.worker("one")
    wait_for(is_heard, 30, "the worker")
    last = owe(2000)
    took = hub.stop("one")
    assert took < 20
    assert not InboundEvent.objects.filter(state="processing").exists()
    hub.worker("two")
    wait_for(lambda: is_done(last), 30, "the second worker")
    print(f"\nthe worker stopped within {took:.1f} s")


def test_a_slice_ends_when_the_process_stops_and_rings_again_when_it_is_over():
    try:
        assert stopping.keep_working(lambda: False) is False
        assert stopping.keep_working(lambda: True, seconds=0.01) is True
        stopping.stop_soon()
        assert stopping.keep_working(lambda: pytest.fail("took up something")) is False
    finally:
        stopping.go_on()
