"""What follows a lost answer, by the connector's capability, against a vendor with a ledger."""

import datetime as dt
import uuid
from dataclasses import replace

import httpx
import pytest

from apps.connectors.lanes.lease import database_now
from apps.connectors.lanes.run import run_lane
from apps.core.errors import RejectedError
from apps.core.fsm import transition_set
from apps.events.services import acting
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.postings.models import Attempt, Posting
from apps.postings.services import cancel_postings, requeue_postings, submit_postings
from apps.postings.services.claim import Held, claim_sends
from apps.postings.services.decide import adopt_postings, doubt_postings, skip_postings
from apps.postings.services.settle import settle_sends
from apps.postings.services.unknown import sort_unknown
from apps.postings.services.watch import report_unsettled
from apps.postings.types import Outcome, PostingDraft
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities
from tests.builders.stuck import TESTS

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def play(connection, rounds=8, seconds=61):
    for _ in range(rounds):
        run_lane(str(connection.id), worker="w")
        pass_time(seconds)


def state(posting):
    return Posting.objects.get(id=posting.id).state


@pytest.mark.parametrize("capability", ["key", "unique", "lookup", "none"])
def test_an_answer_confirms(monkeypatch, entity, capability):
    vendor, _, connection = install(monkeypatch, capability)
    make_due(connection, entity)
    assert run_lane(str(connection.id), worker="w") == 1
    after = Posting.objects.get()
    assert (after.state, after.external_id, after.unsettled_since) == ("confirmed", "D1", None)
    assert [a.outcome for a in Attempt.objects.all()] == ["confirmed"]
    assert len(vendor.writes) == 1


@pytest.mark.parametrize("fault", ["apply_then_lose", "lose"])
@pytest.mark.parametrize("capability", ["key", "unique", "lookup"])
def test_a_lost_answer_ends_in_one_document(monkeypatch, entity, capability, fault):
    vendor, _, connection = install(monkeypatch, capability)
    vendor.unique = capability == "unique"
    vendor.faults[1] = fault
    (posting,) = make_due(connection, entity)
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == 1
    assert len({w["reference"] for w in vendor.writes}) == 1
    sent_again = fault == "lose" or capability != "lookup"
    assert len(vendor.writes) == 1 + sent_again


def test_a_document_seen_late_is_not_written_twice(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "lookup")
    vendor.unique, vendor.hidden, vendor.faults[1] = False, {"D1"}, "apply_then_lose"
    (posting,) = make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    pass_time(3)
    run_lane(str(connection.id), worker="w")  # absent once: the lag has to pass
    assert Posting.objects.get().lookups == 1
    pass_time(10)
    run_lane(str(connection.id), worker="w")
    assert Posting.objects.get().lookups == 1
    vendor.hidden = set()
    pass_time(25)
    run_lane(str(connection.id), worker="w")
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == len(vendor.writes) == 1


def test_without_a_way_to_ask_a_person_decides(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "none")
    vendor.faults[1] = "apply_then_lose"
    (posting,) = make_due(connection, entity)
    play(connection)
    assert state(posting) == "parked"
    assert ExceptionCase.objects.get().code == "unknown_outcome_needs_decision"
    assert len(vendor.writes) == 1


WRONG = {
    "net": "100.01", "tax": "18.99", "gross": "119.01", "currency": "USD", "entity": "US01",
    "date": "2026-11-03", "period": "2026-12",
}  # fmt: skip


@pytest.mark.parametrize("field", list(WRONG))
@pytest.mark.parametrize("capability", ["key", "unique", "lookup"])
def test_a_found_document_that_differs_is_an_incident(monkeypatch, entity, capability, field):
    vendor, _, connection = install(monkeypatch, capability)
    vendor.changes, vendor.faults[1] = {field: WRONG[field]}, "apply_then_lose"
    (posting,) = make_due(connection, entity)
    play(connection)
    after = Posting.objects.get(id=posting.id)
    assert (after.state, after.error_code) == ("parked", "amount_incident")
    assert WRONG[field] in after.error_message
    assert ExceptionCase.objects.get().subject_id == posting.id
    assert len(vendor.documents) == 1


def test_outside_its_ttl_a_key_is_not_trusted(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "key")
    vendor.unique, vendor.faults[1] = False, "apply_then_lose"
    (posting,) = make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    vendor.keys.clear()  # the platform forgot it
    pass_time(3601)
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == len(vendor.writes) == 1


def test_inside_its_ttl_the_key_goes_again_with_the_same_bytes(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "key")
    vendor.unique, vendor.faults[1] = False, "apply_then_lose"
    (posting,) = make_due(connection, entity)
    play(connection, seconds=70)
    assert state(posting) == "confirmed"
    assert (len(vendor.documents), len(vendor.writes), len(vendor.keys)) == (1, 2, 1)
    assert vendor.writes[0] == vendor.writes[1]


def _queued_again(vendor, connector, connection):
    """One posting that a lost answer left in doubt, and that waits to be sent again."""
    vendor.unique, vendor.faults[1] = False, "apply_then_lose"
    run_lane(str(connection.id), worker="w")
    pass_time(70)
    left = sort_unknown(connection, connector, worker="w", limit=5, now=database_now())
    assert left.postings == []
    assert Posting.objects.get().state == "queued"


def test_a_key_that_was_forgotten_while_it_waited_is_not_trusted(monkeypatch, entity):
    """The connection was paused over a weekend between the decision to send again and the send."""
    vendor, connector, connection = install(monkeypatch, "key")
    (posting,) = make_due(connection, entity)
    _queued_again(vendor, connector, connection)
    vendor.keys.clear()
    pass_time(3601)
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == len(vendor.writes) == 1


def test_what_is_known_to_be_absent_goes_as_if_for_the_first_time(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "key")
    vendor.unique, vendor.faults[1] = False, "lose"
    (posting,) = make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    assert Posting.objects.get().doubtful_since is not None
    pass_time(3601)
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == 1
    assert Posting.objects.get().doubtful_since is None
    an_hour_ago = database_now() - dt.timedelta(seconds=3600)  # the first call was before that
    assert Posting.objects.filter(first_sent_at__gt=an_hour_ago).exists()


@pytest.mark.parametrize("capability", ["key", "unique"])
def test_nothing_dies_while_an_earlier_dispatch_may_stand_there(monkeypatch, entity, capability):
    vendor, connector, connection = install(monkeypatch, capability)
    (posting,) = make_due(connection, entity)
    _queued_again(vendor, connector, connection)
    Posting.objects.update(attempts=4)
    vendor.faults[2] = "refuse_503"
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == 1
    assert not DeadLetter.objects.exists()
    assert not ExceptionCase.objects.filter(code="vendor_outage").exists()


def test_a_refusal_does_not_hide_what_an_earlier_dispatch_wrote(monkeypatch, entity):
    vendor, connector, connection = install(monkeypatch, "unique")
    (posting,) = make_due(connection, entity)
    _queued_again(vendor, connector, connection)
    period = httpx.Response(400, json={"error": "the period is closed"})
    vendor.takes = lambda request: period if request.method == "POST" else None
    play(connection)
    assert state(posting) == "confirmed"
    assert len(vendor.documents) == 1
    assert not ExceptionCase.objects.exists()


def test_a_refusal_after_a_call_that_never_arrived_is_one(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch, "unique")
    vendor.faults[1] = "lose"
    (posting,) = make_due(connection, entity)
    run_lane(str(connection.id), worker="w")
    period = httpx.Response(400, json={"error": "the period is closed"})
    vendor.takes = lambda request: period if request.method == "POST" else None
    play(connection)
    assert (state(posting), Posting.objects.get().doubtful_since) == ("rejected", None)
    assert ExceptionCase.objects.count() == 1


def test_what_may_stand_there_is_not_given_up(monkeypatch, entity):
    vendor, connector, connection = install(monkeypatch, "key")
    (posting,) = make_due(connection, entity)
    _queued_again(vendor, connector, connection)
    assert cancel_postings([posting.id], actor=TESTS, now=database_now()) == []
    assert state(posting) == "queued"


def test_what_was_taken_and_is_never_shown_is_told(monkeypatch, entity):
    """Reading it back fails for ever: the key waits, so a person is told."""
    vendor, _, connection = install(monkeypatch)
    gone = httpx.Response(404, json={"error": "no such document"})
    vendor.takes = lambda request: gone if request.method == "GET" else None
    (posting,) = make_due(connection, entity)
    play(connection, rounds=2)
    assert (state(posting), report_unsettled(now=database_now())) == ("posted", 0)
    pass_time(600)
    assert report_unsettled(now=database_now()) == 1
    case = ExceptionCase.objects.get()
    assert "took" in case.explanation
    vendor.takes = None
    play(connection, rounds=2)
    assert state(posting) == "confirmed"


def test_what_is_out_is_its_keys_head(monkeypatch, entity):
    """A skipped head that goes again waits until what overtook it has come to an end."""
    vendor, _, connection = install(monkeypatch)
    first, second = make_due(connection, entity, 2, ordering_key="contract:1")
    with acting(TESTS):
        transition_set(Posting, "reject", [first.id])
    skip_postings([first.id], actor=TESTS, now=database_now())
    claim = claim_sends(connection, worker="w", limit=5, now=database_now())
    assert [p.id for p in claim.postings] == [second.id]
    requeue_postings([first.id], actor=TESTS, now=database_now())
    Posting.objects.filter(id=first.id).update(request=first.request)  # no mapping here
    assert claim_sends(connection, worker="x", limit=5, now=database_now()).postings == []
    pass_time(61)
    play(connection)
    assert (state(first), state(second)) == ("confirmed", "confirmed")
    assert len(vendor.documents) == 2


@pytest.mark.parametrize("decided", ["it stands there", "it is gone"])
def test_a_decision_takes_back_a_skip(monkeypatch, entity, decided):
    vendor, _, connection = install(monkeypatch)
    vendor.documents.append({"id": "D9"})
    (posting,) = make_due(connection, entity, ordering_key="contract:1")
    with acting(TESTS):
        transition_set(Posting, "park", [posting.id], external_id="D9")
    skip_postings([posting.id], actor=TESTS, now=database_now())
    if decided == "it stands there":
        adopt_postings({posting.id: "D9"}, actor=TESTS, now=database_now())
        vendor.documents[:] = [{"id": "D9", **_as_meant(posting)}]
    else:
        doubt_postings([posting.id], actor=TESTS, now=database_now())
        vendor.documents.clear()
    play(connection)
    assert state(posting) == "confirmed"


def _as_meant(posting):
    request = Posting.objects.get(id=posting.id).request
    return {**request, "reference": posting.reference}


def test_a_fact_that_was_given_up_is_queued_again_when_it_is_wanted(monkeypatch, entity):
    install(monkeypatch)
    draft = PostingDraft(
        role="erp", operation="invoice.create", purpose="p", document_type="invoice",
        document_id=uuid.uuid4(), document_version=1, document_label="INV-1",
        ordering_key="contract:1", payload={"net": "1"}, legal_entity_id=entity.id,
    )  # fmt: skip
    now = database_now()
    with acting(TESTS):
        (posting,) = submit_postings([draft], actor=TESTS, now=now)
    cancel_postings([posting.id], actor=TESTS, now=now)
    with acting(TESTS):
        draft = replace(draft, payload={"net": "2"})
        (again,) = submit_postings([draft], actor=TESTS, now=now)
    assert (again.id, again.state, again.payload) == (posting.id, "queued", {"net": "2"})
    with acting(TESTS):
        (same,) = submit_postings([replace(draft, payload={"net": "3"})], actor=TESTS, now=now)
    assert (same.id, same.payload) == (posting.id, {"net": "2"})


def test_what_was_taken_in_part_is_not_given_up(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    make_due(connection, entity)
    claim = claim_sends(connection, worker="w", limit=5, now=database_now())
    refused = RejectedError("rejected_by_vendor", "The second part has no price.")
    refused.partly = True
    held = [(Held(p, claim.token), Outcome(error=refused)) for p in claim.postings]
    settle_sends(connection, held, now=database_now())
    posting = Posting.objects.get()
    assert posting.state == "rejected"
    assert cancel_postings([posting.id], actor=TESTS, now=database_now()) == []
    assert requeue_postings([posting.id], actor=TESTS, now=database_now()) == [posting.id]
