"""What each door lets in: signed vectors, and every way in which a body is refused."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from apps.connectors.base import BadDelivery, DoorConfig
from apps.connectors.doors import TOKEN_HEADER
from apps.connectors.registry import connector_for
from apps.core.errors import RejectedError

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
TOKEN = "door-token-1"
ORGANISATION = "00D000000000001"

EVENT = {
    "id": "evt_1", "object": "event", "type": "invoice.finalized", "created": 1795431600,
    "api_version": "2026-10-28.endive",
    "data": {"object": {"id": "in_1", "status": "open", "lines": {"data": [], "has_more": False}}},
}  # fmt: skip
CALLBACK = {
    "specversion": "1.0", "id": "prv_1", "source": "/provisioning",
    "type": "entitlement.provisioned", "subject": "00000123",
    "time": "2026-11-23T11:59:59+00:00", "data": {"reference": "Q1", "subscription": "00000123"},
}  # fmt: skip
NOTIFICATION = """<Notification><Id>04l000000000001AAA</Id>
<sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
<sf:Id>{key}</sf:Id><sf:SystemModstamp>2026-11-23T11:59:59.123Z</sf:SystemModstamp></sObject>
</Notification>"""


def soap(
    *, organisation: str = ORGANISATION, kind: str = "SBQQ__Quote__c",
    key: str = "a0Q000000000001AAA", count: int = 1,
) -> bytes:  # fmt: skip
    notifications = NOTIFICATION.format(kind=kind, key=key) * count
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound">
<OrganizationId>{organisation}AAA</OrganizationId>{notifications}</notifications>
</soapenv:Body></soapenv:Envelope>""".encode()


@dataclass(frozen=True)
class Door:
    """One vendor's door and how its source signs."""

    vendor: str
    config: Mapping[str, Any]
    secrets: Mapping[str, Any]
    body: bytes
    content_type: str

    def sign(self, body: bytes, at: dt.datetime = NOW, secret: str = SECRET) -> dict[str, str]:
        stamp = int(at.timestamp())
        if self.vendor == "stripe":
            signed = f"{stamp}.".encode() + body
            digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            signature = {"Stripe-Signature": f"t={stamp},v0=ignored,v1={digest}"}
        elif self.vendor == "provisioning":
            signature = {
                "Webhook-Id": "prv_1",
                "Webhook-Timestamp": str(stamp),
                "Webhook-Signature": standard_signature(secret, at, body),
            }
        else:
            signature = {TOKEN_HEADER: TOKEN if secret == SECRET else "guessed"}
        return {"Content-Type": self.content_type, **signature}

    def verify(self, headers: Mapping[str, str], body: bytes) -> Any:
        door = DoorConfig(self.config, self.secrets)
        return connector_for(self.vendor).verify(door, headers, body, NOW)

    def refusal(self, headers: Mapping[str, str], body: bytes) -> tuple[str, int]:
        with pytest.raises(BadDelivery) as refused:
            self.verify(headers, body)
        assert refused.value.explanation.endswith(".")
        return refused.value.reason, refused.value.status


def standard_signature(secret: str, at: dt.datetime, body: bytes) -> str:
    """By the reference library where the body is text; it signs nothing else."""
    try:
        return Webhook(secret).sign("prv_1", at, body.decode())
    except UnicodeDecodeError:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"prv_1.{int(at.timestamp())}.".encode() + body
        return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


STRIPE = Door(
    "stripe", {}, {"webhook_secrets": [OLD_SECRET, SECRET]}, json.dumps(EVENT).encode(),
    "application/json; charset=utf-8",
)  # fmt: skip
PROVISIONING = Door(
    "provisioning", {}, {"webhook_secrets": [OLD_SECRET, SECRET]}, json.dumps(CALLBACK).encode(),
    "application/cloudevents+json",
)  # fmt: skip
SALESFORCE = Door(
    "salesforce", {"organization_id": ORGANISATION}, {"door_tokens": ["door-token-0", TOKEN]},
    soap(), "text/xml; charset=utf-8",
)  # fmt: skip
DOORS = [STRIPE, PROVISIONING, SALESFORCE]
every_door = pytest.mark.parametrize("door", DOORS, ids=[door.vendor for door in DOORS])
signing_doors = pytest.mark.parametrize("door", DOORS[:2], ids=["stripe", "provisioning"])


@every_door
def test_a_signed_body_gets_one_stable_id(door: Door) -> None:
    first = door.verify(door.sign(door.body), door.body)
    later = door.verify(door.sign(door.body, NOW - dt.timedelta(seconds=299)), door.body)
    assert first.message_id == later.message_id != ""
    assert 200 <= first.reply_status < 300


@signing_doors
def test_the_secret_before_the_rotation_still_opens(door: Door) -> None:
    assert door.verify(door.sign(door.body, secret=OLD_SECRET), door.body).message_id


@every_door
def test_an_unsigned_body_is_refused(door: Door) -> None:
    headers = {"Content-Type": door.content_type}
    assert door.refusal(headers, door.body) == ("unsigned", 401)


@signing_doors
def test_a_time_that_is_no_number_is_refused(door: Door) -> None:
    stamp = str(int(NOW.timestamp()))
    headers = {name: value.replace(stamp, "²") for name, value in door.sign(door.body).items()}
    assert door.refusal(headers, door.body) == ("unsigned", 401)


@every_door
def test_a_wrong_secret_is_refused(door: Door) -> None:
    other = "whsec_" + base64.b64encode(b"not the right key").decode()
    headers = door.sign(door.body, secret=other)
    assert door.refusal(headers, door.body) == ("bad_signature", 401)


@signing_doors
def test_one_changed_byte_is_refused(door: Door) -> None:
    headers = door.sign(door.body)
    assert door.refusal(headers, door.body + b" ") == ("bad_signature", 401)


@signing_doors
@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_out_of_time_is_refused(door: Door, seconds: int) -> None:
    headers = door.sign(door.body, NOW + dt.timedelta(seconds=seconds))
    assert door.refusal(headers, door.body) == ("replayed", 400)


@every_door
@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<open", ("malformed", 400)), (b"\xff\xfe\x00", ("wrong_charset", 415))],
)
def test_a_body_that_cannot_be_read_is_refused(
    door: Door, body: bytes, reason: tuple[str, int]
) -> None:
    assert door.refusal(door.sign(body), body) == reason


@every_door
def test_another_charset_or_type_is_refused(door: Door) -> None:
    signed = door.sign(door.body)
    kind = door.content_type.partition(";")[0]
    latin = {**signed, "Content-Type": f"{kind}; charset=iso-8859-1"}
    assert door.refusal(latin, door.body) == ("wrong_charset", 415)
    form = {**signed, "Content-Type": "application/x-www-form-urlencoded"}
    assert door.refusal(form, door.body) == ("wrong_content_type", 415)


@pytest.mark.parametrize(
    ("door", "document", "reason"),
    [
        (STRIPE, {**EVENT, "type": "weather.changed"}, ("unknown_type", 422)),
        (STRIPE, {**EVENT, "object": "invoice"}, ("unknown_type", 422)),
        (STRIPE, {**EVENT, "api_version": "2027-03-31.next"}, ("future_version", 422)),
        (STRIPE, {**EVENT, "id": None}, ("malformed", 400)),
        (PROVISIONING, {**CALLBACK, "type": "entitlement.painted"}, ("unknown_type", 422)),
        (PROVISIONING, {**CALLBACK, "specversion": "2.0"}, ("future_version", 422)),
        (PROVISIONING, {**CALLBACK, "source": ""}, ("malformed", 400)),
    ],
)
def test_an_envelope_that_the_hub_does_not_know_is_refused(
    door: Door, document: dict[str, Any], reason: tuple[str, int]
) -> None:
    body = json.dumps(document).encode()
    assert door.refusal(door.sign(body), body) == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (soap(organisation="00D000000000002"), ("bad_signature", 401)),
        (soap(count=101), ("malformed", 400)),
        (b"<html/>", ("unknown_type", 422)),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', ("malformed", 400)),
    ],
)
def test_soap_that_is_no_message_of_ours_is_refused(body: bytes, reason: tuple[str, int]) -> None:
    assert SALESFORCE.refusal(SALESFORCE.sign(body), body) == reason


def test_the_acknowledgement_is_what_salesforce_wants() -> None:
    verified = SALESFORCE.verify(SALESFORCE.sign(SALESFORCE.body), SALESFORCE.body)
    assert b"<Ack>true</Ack>" in verified.reply_body
    assert verified.reply_content_type.startswith("text/xml")


@pytest.mark.parametrize("vendor", ["netsuite", "tryton", "ratetable"])
def test_vendors_that_send_nothing_have_no_door(vendor: str) -> None:
    with pytest.raises(BadDelivery) as refused:
        connector_for(vendor).verify(DoorConfig({}, {}), {}, b"{}", NOW)
    assert (refused.value.reason, refused.value.status) == ("no_webhooks", 404)


def test_a_message_carries_many_quotes_to_fetch() -> None:
    messages = connector_for("salesforce").split("text/xml", soap(count=3))
    assert [(m.object_type, m.object_id, m.needs_fetch) for m in messages] == [
        ("quote", "a0Q000000000001AAA", True)
    ] * 3
    assert messages[0].source_version == 1795435199123


def test_events_the_hub_does_not_act_on_give_nothing() -> None:
    body = json.dumps({**EVENT, "type": "customer.created"}).encode()
    assert connector_for("stripe").split("application/json", body) == []


def test_a_cut_invoice_is_fetched() -> None:
    cut = {"id": "in_1", "lines": {"data": [], "has_more": True}}
    body = json.dumps({**EVENT, "data": {"object": cut}}).encode()
    (message,) = connector_for("stripe").split("application/json", body)
    assert (message.object_type, message.object_id) == ("invoice", "in_1")
    assert message.needs_fetch
    assert message.payload is None


@pytest.mark.parametrize(
    ("vendor", "body", "field"),
    [
        ("stripe", json.dumps({**EVENT, "data": {"object": {}}}).encode(), "data.object.id"),
        ("provisioning", json.dumps({**CALLBACK, "data": {}}).encode(), "data.reference"),
        ("salesforce", soap(key="nonsense"), "Id"),
        ("salesforce", soap(kind="Lead"), "sObject"),
    ],
)
def test_contents_that_cannot_be_read_are_a_case_with_the_field(
    vendor: str, body: bytes, field: str
) -> None:
    with pytest.raises(RejectedError) as refused:
        connector_for(vendor).split("", body)
    assert (refused.value.facts.code, refused.value.facts.field) == ("malformed_payload", field)
