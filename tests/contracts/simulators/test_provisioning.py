"""Provisioning: signatures, duplicates, entitlements and signed callbacks."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from apps.simulators.core.webhooks import DELIVERY
from apps.simulators.provisioning.signatures import signed_headers
from apps.simulators.provisioning.vendor import ProvisioningVendor
from tests.contracts.contract_client import ContractClient
from tests.contracts.provisioning_contract import event_problems

pytestmark = pytest.mark.contract

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
CALLBACK = "whsec_" + base64.b64encode(b"c" * 32).decode()


def event(key: str = "e1", kind: str = "subscription.activated") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": key,
        "source": "/hub",
        "type": kind,
        "subject": "SUB-1",
        "data": {"reference": "QPROV", "quantity": 10, "legal_entity": "DE01"},
    }


def send(client: ContractClient, body: dict[str, Any], **options: Any) -> tuple[int, Any]:
    """Sign with the independent package and send."""
    raw, now = json.dumps(body), options.pop("now", datetime.now(UTC))
    signature = Webhook(options.pop("secret", SECRET)).sign(body["id"], now, raw)
    headers = {
        "content-type": "application/cloudevents+json",
        "webhook-id": body["id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return client.json("POST", "/events", body, headers=headers, **options)


@pytest.fixture
def service(provisioning_sim: ContractClient) -> ContractClient:
    vendor = vendor_of(provisioning_sim)
    vendor.controls["POST", "secrets"]({"secrets": [SECRET]})
    vendor.controls["POST", "delay"]({"seconds": 0})
    vendor.outbox.add_endpoint({"id": "hub", "url": "http://hub", "secret": CALLBACK})
    return provisioning_sim


def vendor_of(client: ContractClient) -> ProvisioningVendor:
    assert isinstance(client.vendor, ProvisioningVendor)
    return client.vendor


def callbacks(client: ContractClient) -> list[Any]:
    vendor_of(client).tick()
    found = [json.loads(d["body"]) for d in vendor_of(client).kit.store.all(DELIVERY)]
    assert [problem for each in found for problem in event_problems(each)] == []
    return found


def test_event_seen_twice_provisions_once_and_calls_back(service: ContractClient) -> None:
    assert [send(service, event())[0] for _ in range(2)] == [202, 202]
    answers = callbacks(service)
    assert [(a["type"], a["subject"]) for a in answers] == [("entitlement.provisioned", "SUB-1")]
    assert answers[0]["data"]["reference"] == "QPROV"
    found = service.json("GET", "/entitlements?subscription=SUB-1")[1]["items"]
    assert [(e["state"], e["version"], e["reference"]) for e in found] == [("active", 1, "QPROV")]
    assert service.json("GET", f"/entitlements/{found[0]['id']}")[0] == 200


def test_life_of_an_entitlement(service: ContractClient) -> None:
    kinds = ("subscription.activated", "subscription.amended", "subscription.cancelled")
    for number, kind in enumerate(kinds):
        send(service, event(f"e{number}", kind))
    assert [a["type"] for a in callbacks(service)] == [
        "entitlement.provisioned",
        "entitlement.changed",
        "entitlement.revoked",
    ]
    found = service.json("GET", "/entitlements")[1]["items"]
    assert [(e["state"], e["version"]) for e in found] == [("revoked", 3)]


def test_refused_once_then_done(service: ContractClient) -> None:
    refuse = {"subscription": "SUB-1", "reason": "no capacity"}
    vendor_of(service).controls["POST", "refuse"](refuse)
    send(service, event("e1"))
    vendor_of(service).tick()
    send(service, event("e2"))
    answers = callbacks(service)
    assert [a["type"] for a in answers] == ["entitlement.failed", "entitlement.provisioned"]
    assert answers[0]["data"]["reason"] == "no capacity"


def test_change_of_nothing_fails(service: ContractClient) -> None:
    send(service, event("e1", "subscription.amended"))
    assert [a["type"] for a in callbacks(service)] == ["entitlement.failed"]


def test_unproven_events_change_nothing(service: ContractClient) -> None:
    stranger = "whsec_" + base64.b64encode(b"x" * 32).decode()
    old = datetime.now(UTC) - timedelta(minutes=6)
    assert send(service, event(), secret=stranger)[0] == 401
    assert send(service, event(), now=old)[0] == 401
    assert (
        service.json(
            "POST", "/events", event(), headers={"content-type": "application/cloudevents+json"}
        )[0]
        == 401
    )
    assert service.json("POST", "/events", event())[0] == 415
    assert callbacks(service) == []


def test_events_it_cannot_act_on(service: ContractClient) -> None:
    future = {**event(), "specversion": "2.0"}
    assert send(service, future, valid=False)[0] == 400
    assert send(service, event("e2", "weather.changed.maybe"))[0] == 400
    assert callbacks(service) == []


def test_callback_signature_verifies_with_the_independent_package() -> None:
    body = json.dumps(event()).encode()
    headers = signed_headers(CALLBACK, "m1", datetime.now(UTC), body)
    assert Webhook(CALLBACK).verify(body, headers)["id"] == "e1"
