"""The lane under trouble: zombies, crash loops, outages, limits, windows, order and urgency."""

import datetime as dt
import time
import uuid

import httpx
import pytest

from apps.connectors.base import Written
from apps.connectors.lanes import counts, run
from apps.connectors.lanes.lease import LaneLease, database_now
from apps.connectors.lanes.run import LaneRun, run_lane
from apps.connectors.models import CallCount, Connection, MaintenanceWindow
from apps.core.errors import ConfigurationError
from apps.core.fsm import transition_set
from apps.events.services import acting
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.organisation.models import PostingPeriod
from apps.postings.models import Attempt, Posting, RefusedWrite
from apps.postings.selectors import due_lanes, lane_budgets
from apps.postings.services.claim import Held, claim_sends, expire_claims
from apps.postings.services.settle import settle_sends
from apps.postings.services.submit import submit_postings
from apps.postings.services.watch import report_unsettled
from apps.postings.types import Outcome, PostingDraft
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities
from tests.builders.stuck import TESTS

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def states():
    return list(Posting.objects.order_by("sequence").values_list("state", flat=True))


def test_a_late_result_is_refused_and_counted(monkeypatch, entity):
    """REL-11, REL-12, I5: the claim was taken over while its worker stood still."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    now = database_now()
    zombie = claim_sends(connection, worker="zombie", limit=4, now=now)
    pass_time(61)
    expire_claims(connection, now)
    assert states() == ["unknown"]
    for _ in range(2):  # the first decides that it may go again, the second sends it
        run_lane(str(connection.id), worker="w")
    assert states() == ["confirmed"]
    (posting,) = zombie.postings
    late = [(Held(posting, zombie.token), Outcome(Written("D9")))]
    settle_sends(connection, late, now=now)
    after = Posting.objects.get()
    assert (after.state, after.external_id) == ("confirmed", "D1")
    refused = RefusedWrite.objects.get()
    assert (refused.token, refused.wanted) == (zombie.token, "post")
    assert ExceptionCase.objects.count() == 0
    assert len(vendor.documents) == 1


def test_a_claim_that_only_expired_is_refused_too(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    make_due(connection, entity)
    now = database_now()
    zombie = claim_sends(connection, worker="zombie", limit=4, now=now)
    pass_time(61)
    expire_claims(connection, now)
    late = [(Held(zombie.postings[0], zombie.token), Outcome(Written("D9")))]
    settle_sends(connection, late, now=now)
    assert (states(), RefusedWrite.objects.count()) == (["unknown"], 1)


def test_a_stalled_worker_sends_nothing(monkeypatch, entity):
    """A worker that wakes after its claim grew old does not post (I5)."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    monkeypatch.setattr("apps.connectors.lanes.calls.MARGIN", 60.0)
    taken = LaneLease.take(str(connection.id), "w")
    assert taken is not None
    lane = run.LaneRun(str(connection.id), "w", taken)
    monkeypatch.setattr(lane, "_claim", lambda calls: 0)  # what it has is enough
    assert lane.work() == 1
    after = Posting.objects.get()
    assert (after.state, after.attempts, after.unsettled_since) == ("queued", 0, None)
    assert Attempt.objects.get().outcome == "not_sent"
    assert vendor.writes == []


def test_a_crash_loop_ends_in_the_dead_letter_queue(monkeypatch, entity):
    """REL-15: attempts count at dispatch; the worker dies each time and reports nothing."""
    vendor, _, connection = install(monkeypatch)
    (posting,) = make_due(connection, entity)
    for _ in range(5):
        now = database_now()
        assert len(claim_sends(connection, worker="w", limit=4, now=now).postings) == 1
        pass_time(61)
        expire_claims(connection, now)
        if Posting.objects.get().attempts < 5:
            with acting(TESTS):
                transition_set(Posting, "send_again", [posting.id])
    assert states() == ["unknown"]
    for _ in range(3):
        run_lane(str(connection.id), worker="w")
        pass_time(61)
    assert states() == ["dead"]
    assert DeadLetter.objects.get().error_code == "attempts_used_up"
    assert vendor.writes == []
    assert Attempt.objects.filter(kind="send", finished_at__isnull=True).count() == 5
    assert due_lanes() == []


def test_retries_that_get_through_wait_for_no_budget(monkeypatch, entity):
    """Ten retries a minute are free, more of them only when they succeed."""
    _, _, connection = install(monkeypatch)
    make_due(connection, entity, 30)
    Posting.objects.update(first_sent_at=database_now(), error_code="unreachable")
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}
    assert lane_budgets([connection], database_now())[connection.id].retries_last_minute == 0


def test_retries_that_fail_again_use_the_budget_up(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    monkeypatch.setattr(counts, "RETRY_FLOOR", 10)
    make_due(connection, entity, 30)
    Posting.objects.update(first_sent_at=database_now(), error_code="unreachable")
    vendor.takes = lambda _: httpx.Response(429, json={}, headers={"retry-after": "0"})
    for _ in range(8):
        run_lane(str(connection.id), worker="w")
        Posting.objects.update(due_at=database_now())
        Connection.objects.update(held_until=None)
    budget = lane_budgets([connection], database_now())[connection.id]
    assert budget.retries_last_minute == 10
    assert len(vendor.calls) <= 10
    assert set(states()) == {"queued"}


def test_calls_out_never_pass_the_budget(monkeypatch, entity):
    """REL-40: the width is a bound on requests, not on postings."""
    vendor, _, connection = install(monkeypatch)
    vendor.delay = 0.02
    make_due(connection, entity, 30)
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}
    assert vendor.most_out == connection.concurrency == 4


def test_retry_after_holds_the_whole_lane(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 8)
    vendor.takes = lambda _: httpx.Response(429, json={}, headers={"retry-after": "30"})
    run_lane(str(connection.id), worker="w")
    asked = len(vendor.calls)
    assert asked <= 4
    row = Connection.objects.get()
    assert row.held_until is not None
    assert row.held_until - database_now() > dt.timedelta(seconds=20)
    assert run_lane(str(connection.id), worker="w") == 0
    assert len(vendor.calls) == asked
    assert set(Posting.objects.values_list("attempts", flat=True)) == {0}
    assert sum(CallCount.objects.values_list("refused", flat=True)) == asked


def test_a_slow_call_holds_up_no_other_result(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    seen = []

    def takes(request):
        seen.append(Posting.objects.none)  # touched in the loop's thread, without the database
        return

    vendor.takes = takes
    original, slow = vendor._write, {"n": 0}

    async def write(request):
        slow["n"] += 1
        if slow["n"] == 1:
            import asyncio

            await asyncio.sleep(4.0)
            slow["confirmed"] = confirmed[-1]
        return await original(request)

    vendor._write = write
    confirmed = [0]
    settle = settle_sends

    def noted(*args, **kwargs):
        settle(*args, **kwargs)
        confirmed.append(Posting.objects.filter(state="confirmed").count())

    monkeypatch.setattr("apps.postings.services.lane.settle_sends", noted)
    make_due(connection, entity, 12)
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}
    assert slow["confirmed"] == 11


def _window_from_now(connection):
    """Five minutes to either side of now."""
    now, around = database_now(), dt.timedelta(minutes=5)
    return MaintenanceWindow.objects.create(
        connection=connection, on_date=(now - around).date(), starts=(now - around).time(),
        ends=(now + around).time(),
    )  # fmt: skip


def test_a_window_holds_and_then_everything_drains(monkeypatch, entity):
    """REL-41."""
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity, 5)
    window = _window_from_now(connection)
    assert run_lane(str(connection.id), worker="w") == 0
    assert (vendor.calls, set(states()), due_lanes()) == ([], {"queued"}, [])
    window.delete()
    pass_time(301)
    assert due_lanes() == [str(connection.id)]
    run_lane(str(connection.id), worker="w")
    assert set(states()) == {"confirmed"}


@pytest.mark.parametrize("held_by", ["window", "pause"])
def test_what_waits_for_its_turn_when_a_window_begins_is_not_sent(monkeypatch, entity, held_by):
    """REL-41: two were claimed, one of them is out when nothing may leave any more."""
    vendor, _, connection = install(monkeypatch)
    Connection.objects.update(concurrency=1)
    vendor.delay = 0.4
    make_due(connection, entity, 5)
    opens = LaneRun._opens

    def hold_it_then_look(run):
        if vendor.calls and held_by == "pause":
            with acting(TESTS):
                transition_set(Connection, "pause", [connection.id])
        elif vendor.calls and not MaintenanceWindow.objects.exists():
            _window_from_now(connection)
        return opens(run)

    monkeypatch.setattr(LaneRun, "_opens", hold_it_then_look)
    run_lane(str(connection.id), worker="w")
    assert len(vendor.writes) == 1
    assert sorted(states()) in (["confirmed", *["queued"] * 4], ["posted", *["queued"] * 4])
    queued = Posting.objects.filter(state="queued")
    assert set(queued.values_list("error_code", flat=True)) == {""}


def test_the_head_of_a_key_goes_first_and_a_stuck_one_holds_its_key_alone(monkeypatch, entity):
    """REL-13, REL-36."""
    vendor, _, connection = install(monkeypatch)
    one = make_due(connection, entity, 4, ordering_key="contract:1")
    make_due(connection, entity, 3, ordering_key="contract:2")
    with acting(TESTS):
        transition_set(Posting, "reject", [one[0].id])
    run_lane(str(connection.id), worker="w")
    assert states() == ["rejected", "queued", "queued", "queued", *["confirmed"] * 3]
    with acting(TESTS):
        transition_set(Posting, "bury", [one[0].id])
    run_lane(str(connection.id), worker="w")
    assert states()[:2] == ["dead", "queued"]
    with acting(TESTS):
        transition_set(Posting, "cancel", [one[0].id])
    run_lane(str(connection.id), worker="w")
    assert states()[1:] == ["confirmed"] * 6
    sent = [w["reference"] for w in vendor.writes if w["reference"] in {p.reference for p in one}]
    assert sent == [p.reference for p in one[1:]]


def test_what_the_close_waits_for_goes_first(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    plain = make_due(connection, entity, 2, posting_date=dt.date(2027, 3, 1))
    material = make_due(connection, entity, 1, posting_date=dt.date(2027, 3, 1), is_material=True)
    closing = make_due(connection, entity, 2, posting_date=dt.date(2027, 1, 15))
    with acting(TESTS):
        period = PostingPeriod.objects.create(
            legal_entity=entity, code="2027-01", start=dt.date(2027, 1, 1),
            end=dt.date(2027, 2, 1),
        )  # fmt: skip
        transition_set(PostingPeriod, "begin_close", [period.id])
    Connection.objects.update(concurrency=1)
    run_lane(str(connection.id), worker="w")
    order = [w["reference"] for w in vendor.writes]
    assert order == [p.reference for p in [*closing, *material, *plain]]


def test_draining_finishes_what_was_begun(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    vendor.faults[1] = "apply_then_lose"
    make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    with acting(TESTS):
        transition_set(Connection, "drain", [connection.id])
    make_due(connection, entity)
    pass_time(61)
    assert states()[1] == "queued"
    run_lane(str(connection.id), worker="w")
    assert states()[1] == "queued"
    assert len(vendor.documents) == 1


def test_what_is_unknown_for_long_has_a_case(monkeypatch, entity):
    """I9: also while the connection is paused, when no lane looks at it."""
    _, _, connection = install(monkeypatch)
    make_due(connection, entity)
    claim_sends(connection, worker="w", limit=1, now=database_now())
    with acting(TESTS):
        transition_set(Connection, "pause", [connection.id])
    assert report_unsettled(now=database_now()) == 0
    pass_time(601)
    assert report_unsettled(now=database_now()) == 1
    assert report_unsettled(now=database_now()) == 0
    assert ExceptionCase.objects.get().code == "unknown_for_long"


def test_reading_shares_the_budget_and_does_not_starve(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    Connection.objects.update(next_poll_at=database_now(), poll_every_seconds=60, concurrency=1)
    make_due(connection, entity, 6)
    run_lane(str(connection.id), worker="w")
    assert vendor.polled == 1
    assert vendor.calls[-1] == ("GET", "/poll")  # after the postings
    assert vendor.most_out == 1


def test_an_undeclared_write_is_refused_before_it_leaves(monkeypatch, entity):
    """REL-31: the connection pauses, nothing was sent."""
    vendor, connector, connection = install(monkeypatch)
    make_due(connection, entity)
    connector.operation = "invoice.delete"
    run_lane(str(connection.id), worker="w")
    assert vendor.calls == []
    assert (states(), Connection.objects.get().state) == (["queued"], "paused")
    assert "does not declare" in Connection.objects.get().state_reason


def test_an_undeclared_write_is_refused_when_it_is_submitted(monkeypatch, entity):
    """REL-31: nothing is queued that could not be sent safely."""
    install(monkeypatch)
    draft = PostingDraft(
        role="erp", operation="invoice.delete", purpose="p", document_type="invoice",
        document_id=uuid.uuid4(), document_version=1, document_label="INV-1",
        ordering_key="contract:1", payload={}, legal_entity_id=entity.id,
    )  # fmt: skip
    with acting(TESTS), pytest.raises(ConfigurationError, match=r"may not send invoice\.delete"):
        submit_postings([draft], actor=TESTS, now=database_now())
    assert states() == []


def test_the_time_to_clear_is_honest(monkeypatch, entity, record_property):
    """Feature 13: the estimate made before the backlog is worked, against what it took."""
    vendor, _, connection = install(monkeypatch)
    vendor.delay = 0.01
    Connection.objects.update(calls_per_second=10, concurrency=4)
    make_due(connection, entity, 10)
    _clear(connection)
    make_due(connection, entity, 60)
    budget = lane_budgets([Connection.objects.get()], database_now())[connection.id]
    took = _clear(connection)
    error = abs(took - budget.clears_in) / took
    record_property("eta", f"predicted {budget.clears_in:.1f} s, took {took:.1f} s")
    assert error <= 0.15, f"predicted {budget.clears_in:.1f} s, took {took:.1f} s"


def _clear(connection):
    begun = time.monotonic()
    while Posting.objects.exclude(state="confirmed").exists():
        run_lane(str(connection.id), worker="w")
    return time.monotonic() - begun
