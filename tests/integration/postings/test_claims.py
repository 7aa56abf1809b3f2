"""Short claims that are renewed: a slow call keeps its own, a dead worker's is free soon."""

import asyncio
import datetime as dt
import threading
import uuid

import httpx
import pytest
from django.db import connection as database

from apps.connectors.lanes import calls, lease
from apps.connectors.lanes.budget import resumed
from apps.connectors.lanes.lease import LaneLease, database_now
from apps.connectors.lanes.run import LaneRun, run_lane
from apps.connectors.lanes.work import CLAIM_TTL
from apps.connectors.models import CallCount, Connection
from apps.core import stopping
from apps.core.errors import ConfigurationError
from apps.events.models import Event
from apps.events.services import acting
from apps.jobs.models import Lease
from apps.postings.models import Attempt, Posting, RefusedWrite
from apps.postings.selectors import due_lanes
from apps.postings.services import lane as lane_module
from apps.postings.services import unknown
from apps.postings.services.claim import Held, claim_sends, renew_claims
from apps.postings.services.settle import settle_sends
from apps.postings.services.unknown import settle_lookups
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities
from tests.builders.stuck import TESTS

pytestmark = pytest.mark.django_db
SECONDS = CLAIM_TTL.total_seconds()


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def states():
    return list(Posting.objects.order_by("sequence").values_list("state", flat=True))


def die_with(connection, worker="dead"):
    """A worker that took the lane and its work, and was killed."""
    taken = LaneLease.take(str(connection.id), worker)
    assert taken is not None
    return claim_sends(connection, worker=worker, limit=20, now=database_now())


def pass_lease_time(seconds):
    pass_time(seconds)
    with acting(TESTS), database.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_lease SET expires_at = expires_at - make_interval(secs => %s)", [seconds]
        )


@pytest.mark.parametrize("capability", ["key", "unique"])
def test_what_a_dead_worker_held_is_through_after_its_lease(monkeypatch, entity, capability):
    """REL-21: within one lease, all of it, whatever the retry budget has left."""
    vendor, _, connection = install(monkeypatch, capability)
    Connection.objects.update(concurrency=10)
    connection = Connection.objects.get()
    make_due(connection, entity, 14)
    assert len(die_with(connection).postings) == 14
    assert run_lane(str(connection.id), worker="w") == 0
    pass_lease_time(SECONDS - 1)
    assert run_lane(str(connection.id), worker="w") == 0
    assert due_lanes() == []
    pass_lease_time(1.1)
    assert due_lanes() == [str(connection.id)]
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}
    assert len(vendor.documents) == len(vendor.writes) == 14
    assert set(CallCount.objects.values_list("retries", flat=True)) == {0}


def test_a_dead_workers_write_that_arrived_is_found_by_the_lookup(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "lookup")
    make_due(connection, entity)
    (posting,) = die_with(connection).postings
    key = f"q2c-{posting.key[:40]}-1"
    vendor._apply({**posting.request, "reference": posting.reference}, key, b"")
    pass_lease_time(SECONDS + 0.1)
    run_lane(str(connection.id), worker="w")
    assert states() == ["confirmed"]
    assert len(vendor.documents) == 1
    assert vendor.writes == []


@pytest.fixture
def brief(monkeypatch):
    """Claims of 1.2 s instead of 15."""
    for module in ("lanes.lease", "lanes.work"):
        monkeypatch.setattr(f"apps.connectors.{module}.CLAIM_TTL", dt.timedelta(seconds=1.2))
    for module in ("claim", "unknown"):
        monkeypatch.setattr(
            f"apps.postings.services.{module}.CLAIM_TTL", dt.timedelta(seconds=1.2)
        )
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.3)
    monkeypatch.setattr(calls, "MARGIN", 0.2)
    monkeypatch.setattr("apps.postings.policies.SEND_MARGIN", dt.timedelta(seconds=0.2))


@pytest.mark.usefixtures("brief")
def test_a_call_longer_than_the_claim_keeps_it(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    vendor.delay = 1.5  # of the write, and again of reading it back
    make_due(connection, entity)
    left = []

    def noted(*args, **kwargs):
        now, posting = database_now(), Posting.objects.get()
        assert posting.claimed_until is not None
        left.append(posting.claimed_until - now)
        left.append(Lease.objects.get().expires_at - now)
        settle_sends(*args, **kwargs)

    monkeypatch.setattr(lane_module, "settle_sends", noted)
    run_lane(str(connection.id), worker="w")
    assert states() == ["confirmed"]
    assert all(dt.timedelta(0) < one <= dt.timedelta(seconds=1.2) for one in left)
    assert (len(left), Attempt.objects.count(), len(vendor.writes)) == (2, 1, 1)
    assert Lease.objects.filter(expires_at__gt=database_now()).count() == 0


@pytest.mark.usefixtures("brief")
def test_a_lookup_longer_than_the_claim_keeps_it(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "lookup")
    vendor.faults[1] = "apply_then_lose"
    make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    assert states() == ["unknown"]
    pass_time(10)
    vendor.delay, due = 1.5, []

    def noted(*args, **kwargs):
        row = Posting.objects.get()
        due.append((row.due_at > database_now(), row.due_at == row.claimed_until))
        settle_lookups(*args, **kwargs)

    monkeypatch.setattr(lane_module, "settle_lookups", noted)
    run_lane(str(connection.id), worker="w")
    assert (states(), due) == (["confirmed"], [(True, True)])


def test_a_renewal_leaves_alone_what_was_taken_over(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    make_due(connection, entity)
    zombie = die_with(connection)
    held = Held(zombie.postings[0], zombie.token)
    Posting.objects.update(claim_epoch=7, claimed_until=database_now())
    renew_claims([held])
    assert Posting.objects.filter(claimed_until__lt=database_now()).exists()


@pytest.mark.usefixtures("brief")
def test_a_lost_lane_ends_its_calls_and_what_it_brings_is_refused(monkeypatch, entity):
    """REL-11: while its worker stood still another one took the lane over and did its work."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 2)
    original = LaneLease.renew

    def overtaken(self):
        if Posting.objects.filter(state="sending", claim_epoch=1).count() == 2:
            Lease.objects.update(owner="another", epoch=9)
            sending = Posting.objects.filter(state="sending")
            sending.update(claimed_by="another:token", claim_epoch=9)
        return original(self)

    monkeypatch.setattr(LaneLease, "renew", overtaken)
    vendor.delay = 60.0
    make_due(connection, entity, 1, due_at=database_now() + dt.timedelta(seconds=0.5))
    run_lane(str(connection.id), worker="w")
    assert states() == ["sending", "sending", "queued"]
    assert set(Posting.objects.values_list("claimed_by", flat=True)) == {"another:token", ""}
    assert RefusedWrite.objects.count() == 2
    assert Event.objects.filter(type="posting.stale_refused").count() == 2
    assert Lease.objects.get().owner == "another"
    assert vendor.documents == []


def test_a_lane_that_is_held_for_too_long_is_left_to_others(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    taken = LaneLease.take(str(connection.id), "w")
    assert taken is not None
    assert taken.renew()
    monkeypatch.setattr(lease, "LONGEST", 0.0)
    assert not taken.renew()


def stop_at_the_first_call(monkeypatch, vendor):
    """SIGTERM comes while the first call is out."""

    async def handle(request):
        stopping.stop_soon()
        return await vendor.handle(request)

    monkeypatch.setattr(
        "apps.connectors.services.new_client",
        lambda: httpx.AsyncClient(transport=httpx.MockTransport(handle)),
    )


def test_a_stopping_worker_takes_up_nothing_and_hands_back_what_waits(monkeypatch, entity):
    """REL-20: what was sent comes to its end, the rest burns no attempt."""
    vendor, _, connection = install(monkeypatch)
    vendor.delay = 0.5
    stop_at_the_first_call(monkeypatch, vendor)
    make_due(connection, entity, 20)
    try:
        run_lane(str(connection.id), worker="w")
        assert run_lane(str(connection.id), worker="w") == 0
    finally:
        stopping.go_on()
    rows = Posting.objects.all()
    sent = [p for p in rows if p.state in ("confirmed", "posted")]
    # The first call stops the worker; of twenty due, at most this many were out or at the gate.
    assert 1 <= len(sent) == len(vendor.documents) <= 2 * connection.concurrency < 20
    assert {(p.state, p.attempts) for p in rows if p not in sent} == {("queued", 0)}
    vendor.delay = 0.0
    monkeypatch.setattr(stopping, "stop_soon", lambda: None)
    pass_time(16)
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}
    assert len(vendor.documents) == 20


def test_calls_that_outlast_a_stop_are_given_up_and_looked_up(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    monkeypatch.setattr(stopping, "LAST_CALLS", 0.5)

    vendor.delay = 60.0
    stop_at_the_first_call(monkeypatch, vendor)
    make_due(connection, entity, 6)
    try:
        run_lane(str(connection.id), worker="w")
    finally:
        stopping.go_on()
    out = len(vendor.calls)
    assert out >= 1
    assert sorted(states()) == ["queued"] * (6 - out) + ["unknown"] * out
    soon = database_now() + dt.timedelta(seconds=5)
    assert Posting.objects.filter(due_at__lt=soon).count() == 6
    assert Connection.objects.get().consecutive_failures == 0


def test_each_dispatch_is_looked_for_anew(monkeypatch, entity):
    """An absence from before a dispatch says nothing of it: the second lost answer is looked up
    as the first one was."""
    vendor, _, connection = install(monkeypatch, "lookup")

    class Forgets(dict):
        def __contains__(self, key):
            return False

    vendor.unique, vendor.keys = False, Forgets()
    vendor.faults = {1: "lose", 2: "apply_then_lose"}
    make_due(connection, entity)
    for _ in range(10):
        run_lane(str(connection.id), worker="w")
        pass_time(61)
    assert states() == ["confirmed"]
    assert len(vendor.documents) == 1
    assert len(vendor.writes) == 2


def test_a_job_that_stops_between_two_writes_is_unknown(monkeypatch, entity):
    """The first write left: that the second found no place does not make it unsent."""
    vendor, connector, connection = install(monkeypatch)
    send = connector._send

    async def write(session, call):
        await send(session, "POST", "/documents", call)
        session.gate.close()
        await send(session, "POST", "/documents", call)

    monkeypatch.setattr(connector, "write", write)
    make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    posting = Posting.objects.get()
    assert (posting.state, posting.attempts, posting.error_code) == (
        "unknown",
        1,
        "outcome_unknown",
    )
    assert len(vendor.documents) == 1


def test_credentials_that_cannot_be_opened_send_nothing(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 3)

    class Closed:
        async def __aenter__(self):
            await asyncio.sleep(0)
            raise ConfigurationError("misconfigured", "The field key is another one.")

    monkeypatch.setattr(calls, "connect", lambda *_, **__: Closed())
    assert run_lane(str(connection.id), worker="w") == 0
    assert {(p.state, p.attempts) for p in Posting.objects.all()} == {("queued", 0)}
    assert Connection.objects.get().state == "paused"
    assert vendor.calls == []


def test_a_lost_lane_claims_nothing_more(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    taken = LaneLease.take(str(connection.id), "w")
    assert taken is not None
    lane = LaneRun(str(connection.id), "w", taken)
    Lease.objects.update(epoch=9)
    monkeypatch.setattr(lease, "RENEW_AFTER", -1e9)
    with_calls = calls.Calls(connection, lane._lane().connector, resumed({}, ceiling=4,
                             fixed=None, now=0.0), until=taken.until)  # fmt: skip
    with_calls.open()
    try:
        make_due(connection, entity, 1)
        lane._until_done(with_calls)
    finally:
        with_calls.close()
    assert (states(), lane.more) == (["queued"], True)


@pytest.mark.parametrize("capability", ["key", "none", "lookup"])
def test_a_worker_frozen_before_it_decides_about_an_unknown_outcome_decides_nothing(
    monkeypatch, entity, capability
):
    """REL-12: another has taken the posting over, and what that one does is not known here."""
    vendor, connector, connection = install(monkeypatch, capability)
    vendor.faults[1] = "apply_then_lose"
    make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    assert states() == ["unknown"]
    pass_time(10)
    inner = unknown.claim_states

    def frozen(connection, kinds, kind, worker, limit, now):
        claim = inner(connection, kinds, kind, worker, limit, now)
        assert len(claim.postings) == 1
        pass_time(SECONDS + 1)
        assert len(inner(connection, kinds, kind, "other", limit, now).postings) == 1
        return claim

    monkeypatch.setattr(unknown, "claim_states", frozen)
    left = unknown.sort_unknown(connection, connector, worker="slow", limit=20, now=database_now())
    assert left.postings == []
    assert states() == ["unknown"]
    assert list(RefusedWrite.objects.values_list("wanted", flat=True)) == ["sort"]


@pytest.mark.django_db(transaction=True)
def test_of_two_claims_at_once_one_gets_the_head_and_none_gets_what_follows(monkeypatch, entity):
    """REL-13, without the lane's lease that keeps two apart anyway."""
    _, _, connection = install(monkeypatch)
    head, *_ = make_due(connection, entity, 3, ordering_key="contract:1")
    taken: list[uuid.UUID] = []
    together = threading.Barrier(6)

    def claim(worker):
        try:
            together.wait(10)
            found = claim_sends(connection, worker=worker, limit=20, now=database_now())
            taken.extend(posting.id for posting in found.postings)
        finally:
            database.close()

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [head.id]
    assert states() == ["sending", "queued", "queued"]
