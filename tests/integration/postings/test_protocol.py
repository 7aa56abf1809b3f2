"""What follows a lost answer, by the connector's capability, against a vendor with a ledger."""

import pytest

from apps.connectors.lanes.run import run_lane
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Attempt, Posting
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities

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
