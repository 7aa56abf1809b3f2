"""A message that nobody could read is classified after an edit as if it had just arrived."""

import json

import pytest

from apps.connectors.base import InboundMessage, Page
from apps.core.errors import ErrorFacts, RejectedError
from apps.core.principal import Actor
from apps.events.models import Event
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import edit_unreadable, receive_again, split_deliveries
from apps.ingestion.services.pages import store_page
from tests.builders.inbound import event_body, make_delivery

pytestmark = pytest.mark.django_db

MARA = Actor("user", "00000000-0000-0000-0000-000000000001", "Mara")


@pytest.fixture
def headless(stripe, now):
    """An invoice event whose invoice has no id, dead from the start."""
    event = json.loads(event_body("in_1", second=1_790_000_000))
    del event["data"]["object"]["id"]
    make_delivery(stripe, json.dumps(event).encode(), now)
    split_deliveries(now=now)
    dead = InboundEvent.objects.get()
    assert (dead.state, dead.object_type) == ("dead", "unreadable")
    return dead


def _mended(event):
    body = json.loads(event.raw_text)
    body["data"]["object"]["id"] = "in_1"
    return json.dumps(body)


def test_it_gets_type_object_version_and_place_in_the_order(stripe, headless, now):
    edit_unreadable(headless.id, _mended(headless), actor=MARA, now=now)
    read = InboundEvent.objects.get()
    assert (read.state, read.event_type, read.object_type, read.object_id) == (
        "received", "invoice.finalized", "invoice", "in_1",
    )  # fmt: skip
    assert read.ordering_key == f"{stripe.id}:invoice:in_1"
    assert read.source_version // 1000 == 1_790_000_000
    assert read.edited_payload == {"id": "in_1", "object": "invoice", "number": "INV-1"}
    assert read.payload == headless.payload  # the original stays beside it
    assert read.error_code == ""
    told = Event.objects.get(type="inbound.edited")
    assert (told.aggregate_id, told.actor_label) == (read.id, "Mara")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "form against another"),
        ('{"id": "evt_1", "type": "charge.refunded", "data": {}}', "nothing that the hub acts on"),
        ('{"id": "evt_1", "type": "invoice.paid", "created": 7, "data": {}}', "holds no invoice"),
        (
            '{"id": "e", "type": "invoice.paid", "created": 7, "data": {"object": {"id": ""}}}',
            "cannot be kept",
        ),
    ],
)
def test_what_still_cannot_be_read_is_said_and_nothing_changes(headless, now, text, words):
    with pytest.raises(RejectedError) as refused:
        edit_unreadable(headless.id, text, actor=MARA, now=now)
    assert words in refused.value.facts.message
    same = InboundEvent.objects.get()
    assert (same.state, same.object_type, same.edited_payload) == ("dead", "unreadable", None)
    assert not Event.objects.filter(type="inbound.edited").exists()


def test_as_it_came_it_stays_dead(headless, now):
    assert receive_again([headless.id], actor=MARA, now=now) == []
    assert InboundEvent.objects.get().state == "dead"


def test_a_mended_connector_reads_it_as_it_came(stripe, headless, now, monkeypatch):
    from apps.connectors.registry import connector_for

    message = InboundMessage("invoice.finalized", "invoice", "in_9", 5, {"id": "in_9"})
    monkeypatch.setattr(
        connector_for("stripe"), "split", lambda content_type, body: [message], raising=False
    )
    assert receive_again([headless.id], actor=MARA, now=now) == [headless.id]
    read = InboundEvent.objects.get()
    assert (read.state, read.object_id, read.payload) == ("received", "in_9", {"id": "in_9"})
    assert read.edited_payload is None


def test_an_object_that_came_without_its_lines_is_fetched(stripe, headless, now):
    body = json.loads(_mended(headless))
    body["data"]["object"]["lines"] = {"has_more": True, "data": []}
    edit_unreadable(headless.id, json.dumps(body), actor=MARA, now=now)
    read = InboundEvent.objects.get()
    assert (read.state, read.wait_reason, read.object_id) == ("waiting", "fetch", "in_1")


def test_of_several_messages_each_keeps_its_place(stripe, headless, now, monkeypatch):
    from apps.connectors.registry import connector_for

    messages = [
        InboundMessage("invoice.finalized", "invoice", f"in_{n}", 5, {"id": f"in_{n}"})
        for n in range(3)
    ]
    monkeypatch.setattr(
        connector_for("stripe"), "split", lambda content_type, body: messages, raising=False
    )
    edit_unreadable(headless.id, "{}", actor=MARA, now=now)
    rows = InboundEvent.objects.order_by("ordinal").values_list("ordinal", "object_id", "state")
    assert list(rows) == [(n, f"in_{n}", "received") for n in range(3)]


def test_of_a_page_only_the_message_itself_is_edited(stripe, now):
    """A page lists many messages; a person sees the one that cannot be read."""
    broken = json.loads(event_body("in_1", second=7))
    del broken["data"]["object"]["id"]
    page = Page(
        [
            InboundMessage("invoice.paid", "invoice", "in_2", 5, {"id": "in_2"}),
            InboundMessage(
                "invoice.finalized", "unreadable", broken["id"], 0, broken,
                message_id=broken["id"], fault=ErrorFacts("malformed_payload", "No invoice."),
            ),
        ],
        {"since": 7},
        more=False,
    )  # fmt: skip
    store_page(stripe, page, now)
    dead = InboundEvent.objects.get(state="dead")
    assert json.loads(dead.raw_text) == broken
    edit_unreadable(dead.id, _mended(dead), actor=MARA, now=now)
    rows = InboundEvent.objects.order_by("ordinal").values_list("object_id", "state")
    assert list(rows) == [("in_2", "received"), ("in_1", "received")]
