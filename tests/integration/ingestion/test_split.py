"""From bodies to events: one body that cannot be taken apart never stops the others."""

import pytest

from apps.connectors.registry import connector_for
from apps.core.errors import RejectedError
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent
from apps.ingestion.policies import MAX_ATTEMPTS
from apps.ingestion.services import split, split_deliveries
from apps.jobs.models import StaleWrite
from tests.builders.inbound import event_body, let_claims_end, make_delivery

pytestmark = pytest.mark.django_db


def _unsplit():
    return Delivery.objects.filter(split_at__isnull=True).count()


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"not json", b"[" * 100_000, b'{"type": 7}', b"{}", b"null", b'"\x00"', b""],
)
def test_an_unreadable_body_becomes_a_case_and_the_others_go_on(stripe, now, body):
    make_delivery(stripe, event_body("in_1"), now)
    make_delivery(stripe, body, now)
    make_delivery(stripe, event_body("in_2"), now)
    assert split_deliveries(now=now) == 3
    assert _unsplit() == 0
    read = InboundEvent.objects.filter(state="received")
    assert set(read.values_list("object_id", flat=True)) == {"in_1", "in_2"}


def test_a_connector_that_crashes_is_a_case_of_that_body(stripe, now, monkeypatch):
    real = connector_for("stripe").split

    def crash(content_type, body):
        if b"in_bad" in body:
            raise KeyError("a fault of the connector")
        return real(content_type, body)

    monkeypatch.setattr(connector_for("stripe"), "split", crash, raising=False)
    bad = make_delivery(stripe, event_body("in_bad"), now)
    make_delivery(stripe, event_body("in_1"), now)
    split_deliveries(now=now)
    dead = InboundEvent.objects.get(delivery=bad)
    assert (dead.state, dead.error_code) == ("dead", "processing_fault")
    assert dead.payload == {"raw": bytes(bad.raw).decode()}
    assert ExceptionCase.objects.get().subject_id == dead.id
    assert InboundEvent.objects.filter(state="received").count() == 1


@pytest.mark.parametrize(
    "key", ["", "x" * 121, "in_\x00", "in_" + "9" * 4000], ids=["none", "long", "nul", "huge"]
)
def test_an_id_that_cannot_be_kept_is_a_case(stripe, now, key):
    make_delivery(stripe, event_body(key), now)
    make_delivery(stripe, event_body("in_1"), now)
    split_deliveries(now=now)
    states = InboundEvent.objects.values_list("object_type", "state")
    assert set(states) == {("invoice", "received"), ("unreadable", "dead")}
    assert ExceptionCase.objects.get().code == "malformed_payload"


def test_a_body_that_ends_its_worker_is_given_up_after_five(stripe, now):
    """A worker that dies while splitting reports nothing; those beside it go on alone."""
    killer = make_delivery(stripe, event_body("in_bad"), now)
    for n in range(3):
        make_delivery(stripe, event_body(f"in_{n}"), now)
    assert len(split._claim()) == 4  # dies with all four
    for _ in range(20):
        let_claims_end()
        if Delivery.objects.get(id=killer.id).attempts == MAX_ATTEMPTS:
            break
        bodies = split._claim()
        assert len(bodies) == 1
        if bodies[0].id != killer.id:
            parts = [(bodies[0], *split._split_one(bodies[0], stripe, now))]
            split._store(parts, {stripe.id: stripe}, now)
    let_claims_end()
    while split_deliveries(now=now):
        pass
    assert _unsplit() == 0
    assert InboundEvent.objects.get(delivery=killer).state == "dead"
    assert InboundEvent.objects.filter(state="received").count() == 3


def test_a_splitter_that_stalled_is_refused_and_counted(stripe, now):
    make_delivery(stripe, event_body("in_1"), now)
    stalled = split._claim()
    parts = [(body, *split._split_one(body, stripe, now)) for body in stalled]
    let_claims_end()
    assert split_deliveries(now=now) == 1
    split._store(parts, {stripe.id: stripe}, now)
    assert InboundEvent.objects.count() == 1
    assert StaleWrite.objects.get(place="ingestion.split").count == 1


def test_a_refusal_of_the_connector_keeps_its_words(stripe, now, monkeypatch):
    def refuse(content_type, body):
        raise RejectedError("malformed_payload", "No total. Add it.", field="total")

    monkeypatch.setattr(connector_for("stripe"), "split", refuse, raising=False)
    make_delivery(stripe, b"{}", now)
    split_deliveries(now=now)
    dead = InboundEvent.objects.get()
    assert (dead.error_message, dead.error_field) == ("No total. Add it.", "total")
