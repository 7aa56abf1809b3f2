"""What a fetch brings reaches only the events that still wait for it."""

import datetime as dt

import pytest

from apps.connectors.base import InboundMessage
from apps.core.fsm import transition_set
from apps.events.services import acting
from apps.ingestion.models import InboundEvent
from apps.ingestion.services.reading import Batch, _store_fetched
from apps.jobs.models import StaleWrite
from tests.builders.inbound import TESTS, make_inbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def claimed(stripe, now):
    """Events that one fetch claimed, and the moment until which it did."""
    names = ("own", "gone", "taken", "processing", "dead", "discarded")
    rows = [(name, 1, "thin") for name in names]
    events = make_inbound(stripe, now, *rows, state="waiting", wait_reason="fetch")
    until = now + dt.timedelta(seconds=15)
    InboundEvent.objects.update(due_at=until)
    return Batch(events, until)


def _move(claimed, name, *moves, **values):
    [event_id] = [event.id for event in claimed.events if event.object_id == name]
    with acting(TESTS):
        for move in moves:
            assert transition_set(InboundEvent, move, [event_id], **values)


def _messages(*names):
    return {
        ("invoice", name): InboundMessage("invoice.paid", "invoice", name, 3, {"number": "whole"})
        for name in names
    }


def _found():
    rows = InboundEvent.objects.values_list("object_id", "state", "payload", "source_version")
    return {name: (state, payload["number"], version) for name, state, payload, version in rows}


def test_a_fetch_that_comes_late_is_refused_and_counted(claimed, now):
    _move(claimed, "processing", "receive_again", "process", wait_reason="")
    _move(claimed, "dead", "die", wait_reason="")
    _move(claimed, "discarded", "die")
    later = claimed.until + dt.timedelta(seconds=1)
    InboundEvent.objects.filter(object_id="taken").update(due_at=later)
    _store_fetched(claimed, _messages("own", "taken", "processing", "dead"), now)
    assert _found() == {
        "own": ("received", "whole", 3),
        "gone": ("ignored", "thin", 1),
        "taken": ("waiting", "thin", 1),
        "processing": ("processing", "thin", 1),
        "dead": ("dead", "thin", 1),
        "discarded": ("dead", "thin", 1),  # and not found at the source
    }
    assert StaleWrite.objects.get(place="ingestion.fetch").count == 4
    assert InboundEvent.objects.get(object_id="taken").due_at == later


def test_a_renewed_claim_is_the_new_token_and_takes_nothing_back(claimed, now):
    later = claimed.until + dt.timedelta(seconds=1)
    InboundEvent.objects.filter(object_id="taken").update(due_at=later)
    claimed.move_due(claimed.until + dt.timedelta(seconds=9))
    assert InboundEvent.objects.get(object_id="taken").due_at == later
    _store_fetched(claimed, _messages("own", "taken"), now)
    assert (_found()["own"][0], _found()["taken"][0]) == ("received", "waiting")
