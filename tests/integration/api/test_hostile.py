"""REL-04: two hundred generated bodies that are wrong; each gets its answer, is kept, and changes
nothing else."""

import json
import random
import string
from typing import Any

import pytest

from apps.api.door import LARGEST_BODY
from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent, Quarantine, SeenMessage
from apps.ingestion.services import split_deliveries
from tests.builders.inbound import SECRET, event_body, signature

pytestmark = pytest.mark.django_db

TEN_EACH = 10


@pytest.fixture(autouse=True)
def stripe():
    with acting(system_actor("tests")):
        return Connection.objects.create(
            code="stripe", name="Stripe", vendor="stripe", role="billing",
            secrets=seal({"webhook_secrets": [SECRET]}),
        )  # fmt: skip


def _cut(chance):
    body = event_body()
    return body[: chance.randrange(1, len(body) - 1)]


def _flipped(chance):
    body = bytearray(event_body())
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(body)


def _nested(chance):
    depth = chance.randrange(50_000, 100_000)
    return chance.choice([b"[", b'{"a":']) * depth


def _noise(chance):
    return bytes([0xFF]) + chance.randbytes(chance.randrange(1, 4000))


def _latin(chance):
    return event_body(number="M\u00fcller").decode().encode("latin-1", "replace")[:-1] + b'"\xe9"}'


def _words(chance):
    return "".join(chance.choices(string.ascii_letters, k=chance.randrange(1, 200))).encode()


def _scalar(chance):
    return chance.choice([b"7", b"null", b"true", b'"x"', b"[]", b"[{}]", b"1e400", b"-0"])


def _odd_id(chance):
    key = chance.choice([None, 7, [], {}, "", "e" * 161, "e\x00" + "x" * chance.randrange(9)])
    return event_body(id=key)


def _odd_type(chance):
    topic = chance.choice([None, 7, "", "x", "rocket.launched", "invoice.", "INVOICE.paid", "é.a"])
    return event_body(type=topic)


def _future(chance):
    return event_body(api_version=f"{chance.randrange(2027, 9999)}-01-01.x")


def _huge(chance):
    size = chance.choice([LARGEST_BODY + 1, 2 * LARGEST_BODY, 20 * LARGEST_BODY])
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


def _huge_number(chance):
    return b'{"id": ' + b"9" * chance.randrange(5000, 9000) + b"}"


# kind → (how a body is made, what the answer is, how it is sent)
KINDS: dict[str, Any] = {
    "cut off": (_cut, {400}, {}),
    "deeply nested": (_nested, {400}, {}),
    "no text": (_noise, {415}, {}),
    "latin-1": (_latin, {415}, {}),
    "no JSON": (_words, {400}, {}),
    "no object": (_scalar, {400}, {}),
    "an id that cannot be": (_odd_id, {400}, {}),
    "an unknown type": (_odd_type, {422}, {}),
    "a future version": (_future, {422}, {}),
    "too large": (_huge, {413}, {}),
    "a number of 5000 digits": (_huge_number, {400}, {}),
    "signed long ago": (lambda _: event_body(), {400}, {"age": 301}),
    "signed ahead": (lambda _: event_body(), {400}, {"age": -400}),
    "by another key": (lambda _: event_body(), {401}, {"secret": "whsec_other"}),
    "changed on the way": (_flipped, {401}, {"late": True}),
    "unsigned": (lambda _: event_body(), {401}, {"given": ""}),
    "signed by nonsense": (lambda _: event_body(), {401}, {"given": "t=\u00b2,v1=\u00e9,v1="}),
    "an older scheme": (lambda _: event_body(), {401}, {"scheme": "v0"}),
    "another type of content": (lambda _: event_body(), {415}, {"content_type": "text/plain"}),
    "another charset": (lambda _: event_body(), {415},
                        {"content_type": "application/json; charset=utf-16"}),
}  # fmt: skip


def _send(client, body, *, given=None, scheme="v1", content_type="application/json", late=False,
          **options):  # fmt: skip
    signed = event_body() if late else body
    header = signature(signed, **options) if given is None else given
    header = header.replace("v1=", f"{scheme}=") if scheme != "v1" else header
    return client.generic(
        "POST", "/webhooks/stripe/", body, content_type, headers={"Stripe-Signature": header}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_wrong(client, bells, kind):
    make, statuses, options = KINDS[kind]
    chance = random.Random(kind)
    for number in range(1, TEN_EACH + 1):
        answer = _send(client, make(chance), **options)
        assert answer.status_code in statuses, answer.content
        assert json.loads(answer.content)["detail"].endswith(".")
        assert Quarantine.objects.count() == number
    kept = Quarantine.objects.order_by("-received_at")
    assert all(len(bytes(row.raw)) <= 64 * 1024 and row.sha256 and row.explanation for row in kept)
    assert not any(
        model.objects.exists()
        for model in (Delivery, SeenMessage, InboundEvent, ExceptionCase, Event)
    )
    assert bells == []


def test_there_are_two_hundred():
    assert len(KINDS) * TEN_EACH == 200


def test_a_verified_body_that_means_nothing_is_kept_and_shown(client, now):
    """Signed, of a known type, and still of no use: stored, a case, and the next one goes on."""
    odd = [{"object": None}, {"object": []}, {"object": {"id": 7}}, {}, None, [], "x"]
    for data in odd:
        assert _send(client, event_body(data=data)).status_code == 200
    assert _send(client, event_body("in_good")).status_code == 200
    assert _send(client, event_body(type="customer.created")).status_code == 200
    split_deliveries(now=now)
    assert InboundEvent.objects.filter(state="dead").count() == len(odd)
    assert ExceptionCase.objects.count() >= 1
    assert InboundEvent.objects.get(state="received").object_id == "in_good"
    assert not Delivery.objects.filter(split_at__isnull=True).exists()


def test_the_quarantine_keeps_the_newest(client, monkeypatch):
    monkeypatch.setattr("apps.ingestion.services.door.QUARANTINE_ROWS", 3)
    for n in range(8):
        _send(client, f"no JSON {n}".encode())
    kept = [bytes(row.raw) for row in Quarantine.objects.order_by("received_at")]
    assert kept == [b"no JSON 5", b"no JSON 6", b"no JSON 7"]
