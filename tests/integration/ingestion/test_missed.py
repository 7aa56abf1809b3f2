"""REL-06: platforms that lose webhooks for good; one comparison finds every one of them."""

import base64
import time

import httpx
import pytest

from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.core.clock import utc_now
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.ingestion.models import Delivery, InboundEvent, SeenMessage, SourceCheck
from apps.ingestion.services import read_source, split_deliveries
from apps.simulators.provisioning.signatures import signed_headers
from tests.builders.web import frozen_port, web_process
from tests.contracts.connectors.rig import start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("web")]

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
LOSSY = {"drop_probability": 0.05, "seed": 3}


@pytest.fixture
def hub():
    with frozen_port() as redis, web_process(REDIS_URL=f"redis://127.0.0.1:{redis}/0") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def simulator(request, tmp_path):
    found = start(request.param, tmp_path)
    yield found
    found.process.terminate()
    found.process.wait(10)


def _connect(simulator, role, **secrets):
    with acting(system_actor("tests")):
        return Connection.objects.create(
            code=simulator.vendor, name=simulator.vendor, vendor=simulator.vendor, role=role,
            base_url=simulator.url, secrets=seal(secrets), poll_every_seconds=30,
            next_poll_at=utc_now(),
        )  # fmt: skip


def _compare(source):
    Connection.objects.filter(id=source.id).update(next_poll_at=utc_now())
    read_source(str(source.id), worker="tests")


def _settle(simulator):
    """Until every webhook was delivered or lost; gives how many were lost."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = simulator.control("GET", "webhooks/deliveries")
        states = [delivery["state"] for delivery in told["deliveries"]]
        if states and not {"pending", "retrying"} & set(states):
            return states.count("dropped")
        time.sleep(0.1)
    raise AssertionError("webhooks are still on their way")


def _expect_all_found(source, ids, lost):
    assert lost >= 1
    assert Delivery.objects.filter(channel="webhook").count() == len(ids) - lost
    _compare(source)
    assert set(SeenMessage.objects.values_list("message_id", flat=True)) >= set(ids)
    assert SourceCheck.objects.get().found == lost
    assert InboundEvent.objects.filter(delivery__channel="poll").count() == lost
    split_deliveries(now=utc_now())
    assert InboundEvent.objects.count() == len(ids)
    _compare(source)  # nothing is left to find
    assert SourceCheck.objects.get().found == lost


@pytest.mark.parametrize("simulator", ["provisioning"], indirect=True)
def test_callbacks_that_were_lost(hub, simulator):
    simulator.control("POST", "secrets", {"secrets": [KEY]})
    simulator.control("POST", "delay", {"seconds": 0})
    simulator.control("POST", "webhooks", {"url": f"{hub}/webhooks/provisioning/", "secret": KEY})
    simulator.control("POST", "webhooks/policy", LOSSY)
    source = _connect(simulator, "provisioning", signing_secret=KEY, webhook_secrets=[KEY])
    _compare(source)  # the first walk reads the history
    for n in range(120):
        _provision(simulator, n)
    deadline, items = time.monotonic() + 30, []
    while time.monotonic() < deadline:
        items = httpx.get(f"{simulator.url}/events?limit=500", timeout=10).json()["items"]
        if len(items) == 120:
            break
        time.sleep(0.1)
    _expect_all_found(source, [item["id"] for item in items], _settle(simulator))


def _provision(simulator, n):
    event = (
        f'{{"specversion":"1.0","id":"e{n}","source":"/hub","type":"entitlement.provision",'
        f'"subject":"SUB-{n % 20}","data":{{"reference":"Q{n:013d}","quantity":1}}}}'
    ).encode()
    headers = {**signed_headers(KEY, f"e{n}", utc_now(), event),
               "content-type": "application/cloudevents+json"}  # fmt: skip
    httpx.post(f"{simulator.url}/events", content=event, headers=headers).raise_for_status()


@pytest.mark.parametrize("simulator", ["stripe"], indirect=True)
def test_events_of_invoices_that_were_lost(hub, simulator):
    topics = ["invoice.finalized", "invoice.paid"]  # an invoice of nothing is paid at once
    hook = {"url": f"{hub}/webhooks/stripe/", "secret": KEY, "events": topics}
    simulator.control("POST", "webhooks", hook)
    simulator.control("POST", "webhooks/policy", LOSSY)
    source = _connect(simulator, "billing", api_key="sk_test_contract", webhook_secrets=[KEY])
    _compare(source)
    with httpx.Client(
        base_url=simulator.url, headers={"authorization": "Bearer sk_test_contract"}
    ) as api:
        customer = api.post("/v1/customers", data={"name": "N"}).raise_for_status().json()["id"]
        for _ in range(40):
            draft = api.post("/v1/invoices", data={"customer": customer}).raise_for_status().json()
            api.post(f"/v1/invoices/{draft['id']}/finalize").raise_for_status()
        wanted: dict[str, str | int] = {"limit": 100, "types[0]": topics[0], "types[1]": topics[1]}
        events = api.get("/v1/events", params=wanted).json()["data"]
    lost = _settle(simulator)
    _expect_all_found(source, [event["id"] for event in events], lost)
