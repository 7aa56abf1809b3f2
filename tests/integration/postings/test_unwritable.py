"""A result that cannot be written stands alone: its neighbours are settled as if it were not."""

import json

import httpx
import pytest
from django.db import OperationalError

from apps.connectors.base import Written
from apps.connectors.lanes.lease import database_now
from apps.connectors.lanes.run import run_lane
from apps.connectors.models import Exchange
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Attempt, Posting
from apps.postings.services.watch import report_unsettled
from tests.builders.ledger import install, make_due, pass_time
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db
UNWRITABLE = {
    "too long": "D" * 200,
    "half a character": "D\ud800",
    "a NUL": "D\x00",
}


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def name_one(monkeypatch, connector, reference, external_id):
    """The platform says that one document has an id that no row of ours can keep."""
    write, look_up, read_back = connector.write, connector.look_up, connector.read_back
    real: list[Written] = []

    async def written(session, call, ask):
        found = await ask(session, call)
        if found is None or call.reference != reference:
            return found
        real[:] = [found]
        return Written(external_id)

    async def read(session, call, found):
        return await read_back(session, call, real[0] if call.reference == reference else found)

    monkeypatch.setattr(connector, "write", lambda s, c: written(s, c, write))
    monkeypatch.setattr(connector, "look_up", lambda s, c: written(s, c, look_up))
    monkeypatch.setattr(connector, "read_back", read)


@pytest.mark.parametrize("how", UNWRITABLE)
@pytest.mark.parametrize("capability", ["lookup", "none"])
def test_one_result_that_cannot_be_written_undoes_no_other(monkeypatch, entity, how, capability):
    """I2, I9: nine of ten are confirmed, the tenth is sent once and ends with a person."""
    vendor, connector, connection = install(monkeypatch, capability)
    bad = make_due(connection, entity, 10)[4]
    name_one(monkeypatch, connector, bad.reference, UNWRITABLE[how])
    run_lane(str(connection.id), worker="w")
    states = dict(Posting.objects.values_list("id", "state"))
    assert states.pop(bad.id) in ("unknown", "parked")
    assert set(states.values()) == {"confirmed"}
    assert Attempt.objects.get(posting=bad, kind="send").error_code == "connector_fault"
    for _ in range(11):
        pass_time(61)
        run_lane(str(connection.id), worker="w")
    report_unsettled(now=database_now())
    assert len(vendor.writes) == len(vendor.documents) == 10
    assert ExceptionCase.objects.get().subject_id == bad.id
    assert Attempt.objects.filter(finished_at__isnull=True).count() == 0


def test_words_of_the_vendor_are_cut_to_what_a_row_keeps(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    said = {"error": "No\x00 \ud800 account", "field": "lines." * 40}
    vendor.takes = lambda _: httpx.Response(400, content=json.dumps(said))
    run_lane(str(connection.id), worker="w")
    posting = Posting.objects.get()
    assert (posting.state, posting.error_code) == ("rejected", "rejected_by_vendor")
    assert posting.error_message == "No\ufffd ? account"
    assert posting.error_field == said["field"][:120]
    assert ExceptionCase.objects.count() == 1
    assert "account" in Exchange.objects.get().response_body


def test_evidence_that_cannot_be_kept_holds_up_no_result(monkeypatch, entity):
    _, _, connection = install(monkeypatch)
    make_due(connection, entity, 3)
    monkeypatch.setattr("apps.connectors.http._request_id", lambda _: "r" * 500)
    run_lane(str(connection.id), worker="w")
    assert set(Posting.objects.values_list("state", flat=True)) == {"confirmed"}
    assert Exchange.objects.count() == 0


def test_a_database_that_is_away_is_no_fault_of_a_result(monkeypatch, entity):
    """The lane ends, what was claimed is looked up when its claim is over."""
    _, _, connection = install(monkeypatch)
    make_due(connection, entity, 4)
    tried = []

    def away(*_, **__):
        tried.append(1)
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("apps.postings.services.lane.settle_sends", away)
    with pytest.raises(OperationalError):
        run_lane(str(connection.id), worker="w")
    assert len(tried) == 1
    assert set(Posting.objects.values_list("state", flat=True)) == {"sending"}
