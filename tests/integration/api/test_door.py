"""Bad input at the webhook door: the right status, a clear reason, kept for a person, and nothing
else changed. Each body is signed by the vendor's own scheme, written out here a second time."""

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid

import pytest
from django.db import OperationalError, connection

from apps.api import webhooks
from apps.api.door import LARGEST_BODY
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.secrets import seal
from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent, Quarantine, SeenMessage
from apps.ingestion.services import receive_delivery

pytestmark = pytest.mark.django_db

SECRET = "whsec_" + "s" * 32
STRIPE_TYPE = "application/json"


@pytest.fixture
def stripe():
    with acting(system_actor("tests")):
        return Connection.objects.create(
            code="stripe", name="Stripe", vendor="stripe", role="billing",
            secrets=seal({"webhook_secrets": [SECRET]}),
        )  # fmt: skip


def _event(**changes):
    event = {
        "id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": "invoice.finalized",
        "created": int(time.time()), "api_version": None,
        "data": {"object": {"id": "in_1", "object": "invoice"}},
    }  # fmt: skip
    return {**event, **changes}


def _signature(body, *, secret=SECRET, age=0):
    stamp = int(time.time()) - age
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def _post(client, body, *, signature=None, content_type=STRIPE_TYPE, path="/webhooks/stripe/"):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Stripe-Signature": _signature(raw) if signature is None else signature}
    return client.post(path, raw, content_type=content_type, headers=headers)


def _nothing_changed():
    return not (
        Delivery.objects.exists()
        or SeenMessage.objects.exists()
        or InboundEvent.objects.exists()
        or ExceptionCase.objects.exists()
        or Event.objects.exists()
    )


def test_a_signed_message_is_stored_once_and_rings_no_bell(client, stripe, bells):
    event = _event()
    assert _post(client, event).status_code == 200
    assert _post(client, event).status_code == 200
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.message_id) == ("webhook", event["id"])
    assert json.loads(bytes(delivery.raw)) == event
    assert delivery.headers["stripe-signature"] == "(hidden)"
    assert SeenMessage.objects.get().duplicates == 1
    assert not Quarantine.objects.exists()
    assert bells == []


OLD = {"age": 301}
EARLY = {"age": -302}


@pytest.mark.parametrize(
    ("name", "status", "reason", "code"),
    [
        ("unsigned", 401, "unsigned", "not_verified"),
        ("bad", 401, "bad_signature", "not_verified"),
        ("old", 400, "replayed", "replayed"),
        ("early", 400, "replayed", "replayed"),
        ("large", 413, "too_large", "too_large"),
        ("empty", 400, "malformed", "malformed"),
        ("malformed", 400, "malformed", "malformed"),
        ("array", 400, "malformed", "malformed"),
        ("no id", 400, "malformed", "malformed"),
        ("long id", 400, "malformed", "malformed"),
        ("nul id", 400, "malformed", "malformed"),
        ("charset", 415, "wrong_charset", "wrong_charset"),
        ("latin", 415, "wrong_charset", "wrong_charset"),
        ("form", 415, "wrong_content_type", "wrong_content_type"),
        ("type", 422, "unknown_type", "unknown_type"),
        ("version", 422, "future_version", "future_version"),
    ],
)
def test_what_is_refused(client, stripe, bells, name, status, reason, code):
    body, options = _bad(name)
    response = _post(client, body, **options)
    answer = response.json()
    assert (response.status_code, answer["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert answer["detail"].endswith(".")
    kept = Quarantine.objects.get()
    assert (kept.reason, kept.status_code) == (reason, status)
    assert kept.connection_id == stripe.id
    assert len(bytes(kept.raw)) <= 64 * 1024
    assert _nothing_changed()
    assert bells == []


def _bad(name):
    good = json.dumps(_event()).encode()
    return {
        "unsigned": (good, {"signature": ""}),
        "bad": (good, {"signature": _signature(good, secret="whsec_other")}),
        "old": (good, {"signature": _signature(good, **OLD)}),
        "early": (good, {"signature": _signature(good, **EARLY)}),
        "large": (b"{" + b" " * LARGEST_BODY + b"}", {}),
        "empty": (b"", {}),
        "malformed": (good[:-5], {}),
        "array": (b"[]", {}),
        "no id": (_event(id=""), {}),
        "long id": (_event(id="evt_" + "1" * 200), {}),
        "nul id": (_event(id="evt_\x001"), {}),
        "charset": (good, {"content_type": "application/json; charset=iso-8859-1"}),
        "latin": (good[:-1] + b',"x":"\xe9"}', {}),
        "form": (good, {"content_type": "application/x-www-form-urlencoded"}),
        "type": (_event(type="rocket.launched"), {}),
        "version": (_event(api_version="2999-01-01.x"), {}),
    }[name]


def test_the_same_id_with_other_bytes_is_a_conflict(client, stripe):
    event = _event()
    _post(client, event)
    response = _post(client, {**event, "livemode": True})
    assert (response.status_code, response.json()["code"]) == (409, "same_id_other_bytes")
    assert json.loads(bytes(Delivery.objects.get().raw)) == event
    assert Quarantine.objects.get().message_id == event["id"]


def test_an_unknown_address_answers_as_a_bad_signature_does(client, stripe):
    event = _event()
    unknown = _post(client, event, path="/webhooks/nobody/")
    bad = _post(client, event, signature="t=1,v1=00")
    assert unknown.status_code == bad.status_code == 401
    assert unknown.content == bad.content
    assert set(Quarantine.objects.values_list("reason", flat=True)) == {
        "unknown_address", "bad_signature",
    }  # fmt: skip


def test_only_post_is_taken(client, stripe):
    response = client.get("/webhooks/stripe/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert not Quarantine.objects.exists()


def test_the_address_works_without_its_last_slash(client, stripe):
    assert _post(client, _event(), path="/webhooks/stripe").status_code == 200


def test_a_database_that_does_not_answer_is_said(client, stripe, monkeypatch):
    def fail(**_):
        raise OperationalError("gone")

    monkeypatch.setattr("apps.api.webhooks.receive_delivery", fail)
    response = _post(client, _event())
    assert (response.status_code, response["Retry-After"]) == (503, "10")


def test_standard_webhooks_of_provisioning(client):
    key = b"k" * 32
    with acting(system_actor("tests")):
        Connection.objects.create(
            code="provisioning", name="Provisioning", vendor="provisioning", role="provisioning",
            secrets=seal({"webhook_secrets": ["whsec_" + base64.b64encode(key).decode()]}),
        )  # fmt: skip
    response = client.post(
        "/webhooks/provisioning/", b"{}", content_type="application/cloudevents+json"
    )
    assert response.status_code == 401
    assert Quarantine.objects.get().reason == "unsigned"


_connects: list[object] = []


def _watch(event, arguments):
    if event == "socket.connect":
        _connects.append(arguments[1])


def test_a_message_makes_no_call(client, stripe, bells):
    """REL-02. The database's driver connects in C and is not seen; any other client would be."""
    sys.addaudithook(_watch)
    _connects.clear()
    assert _post(client, _event()).status_code == 200
    assert _post(client, _event(), signature="t=1,v1=00").status_code == 401
    assert _connects == []
    assert bells == []
    assert not connection.run_on_commit


def test_a_connector_that_crashes_keeps_the_body(client, stripe, monkeypatch):
    def crash(*_):
        raise KeyError("a fault of the connector")

    monkeypatch.setattr(connector_for("stripe"), "verify", crash, raising=False)
    response = _post(client, _event())
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert Quarantine.objects.get().reason == "connector_fault"
    assert _nothing_changed()


@pytest.mark.django_db(transaction=True)
def test_a_broken_connection_is_replaced_and_the_message_stored_once(client, stripe, monkeypatch):
    """REL-16: the first try may even have been committed."""
    assert _post(client, _event()).status_code == 200
    real, tries = receive_delivery, []

    def fail_once(**values):
        receipt = real(**values)
        tries.append(receipt.status)
        if len(tries) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return receipt

    monkeypatch.setattr(webhooks, "receive_delivery", fail_once)
    assert _post(client, _event()).status_code == 200
    assert tries == ["new", "duplicate"]
    assert Delivery.objects.count() == 2
