"""Simulators over HTTP, one process a vendor for the whole run, seeded by its administrator."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from apps.connectors.base import Written
from apps.connectors.registry import connector_for
from tests.contracts.connectors import payloads
from tests.contracts.connectors.rig import Rig, Simulator, start

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
STRIPE_KEY = "sk_test_contract"
ORGANISATION = "00D000000000001AAA"


HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One xdist worker runs them all, so that each simulator is started once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("connectors"))


def pems(key: Any) -> tuple[str, str]:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Simulator]]:
    """Gives a vendor's simulator, started when it is first asked for."""
    running: dict[str, Simulator] = {}

    def give(vendor: str) -> Simulator:
        if vendor not in running:
            running[vendor] = start(vendor, tmp_path_factory.mktemp(vendor))
        return running[vendor]

    yield give
    for each in running.values():
        each.process.terminate()
    for each in running.values():
        each.process.wait(10)


@pytest.fixture(scope="session")
def stripe(simulator: Callable[[str], Simulator]) -> Rig:
    sim = simulator("stripe")
    with httpx.Client(base_url=sim.url, headers={"authorization": f"Bearer {STRIPE_KEY}"}) as api:
        api.post("/v1/products", data={"id": "prod_suite", "name": "Suite"}).raise_for_status()
        customer = api.post("/v1/customers", data={"name": "Nordwind"}).raise_for_status().json()
    begin = int(time.time()) // 86_400 * 86_400 - 10 * 86_400
    calls: dict[str, Any] = {
        "customer.upsert": payloads.stripe_customer,
        "subscription.create": payloads.stripe_subscriptions(customer["id"], begin),
    }
    secrets = {"api_key": STRIPE_KEY, "webhook_secrets": [SECRET]}
    rig = Rig(connector_for("stripe"), sim, {}, secrets, calls)
    calls["subscription.cancel"] = lambda reference: payloads.stripe_cancellation(
        written(rig, "subscription.create", f"S{reference[1:]}").data["subscriptions"]
    )
    return rig


@pytest.fixture(scope="session")
def netsuite(simulator: Callable[[str], Simulator]) -> Rig:
    sim = simulator("netsuite")
    private, public = pems(ec.generate_private_key(ec.SECP256R1()))
    app = {"client_id": "hub", "certificate_id": "cert", "public_key": public}
    sim.control("POST", "apps", app)
    sim.control("POST", "seed", payloads.NETSUITE_SEED)
    calls: dict[str, Any] = {
        "customer.upsert": payloads.netsuite_customer,
        "invoice.create": payloads.netsuite_invoice,
        "journal.create": payloads.netsuite_journal,
    }
    config = {"client_id": "hub", "certificate_id": "cert"}
    rig = Rig(connector_for("netsuite"), sim, config, {"private_key": private}, calls)
    customer = rig.call("customer.upsert", "1")
    rig.run(lambda session: rig.connector.write(session, customer))
    calls["invoice.credit"] = lambda reference: payloads.netsuite_credit(
        reference, written(rig, "invoice.create", f"I{reference[1:]}").external_id
    )
    return rig


def written(rig: Rig, operation: str, reference: str) -> Written:
    """What one write of an operation left."""
    call = rig.call(operation, reference)
    found: Written = rig.run(lambda session: rig.connector.write(session, call))
    return found


@pytest.fixture(scope="session")
def provisioning(simulator: Callable[[str], Simulator]) -> Rig:
    sim = simulator("provisioning")
    sim.control("POST", "secrets", {"secrets": [SECRET]})
    sim.control("POST", "delay", {"seconds": 0})
    secrets = {"signing_secret": SECRET, "webhook_secrets": [SECRET]}
    calls = {
        "entitlement.provision": payloads.entitlement,
        "entitlement.revoke": payloads.revocation,
    }
    return Rig(connector_for("provisioning"), sim, {}, secrets, calls)


@pytest.fixture(scope="session")
def salesforce(simulator: Callable[[str], Simulator]) -> Rig:
    sim = simulator("salesforce")
    private, public = pems(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    app = {"client_id": "hub", "username": "hub@example.com", "public_key": public}
    sim.control("POST", "apps", app)
    config = {
        "client_id": "hub",
        "username": "hub@example.com",
        "organization_id": ORGANISATION,
    }
    return Rig(connector_for("salesforce"), sim, config, {"private_key": private}, {})


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The rig that a test names as its parameter; faults do not outlive the test."""
    found: Rig = request.getfixturevalue(request.param)
    found.is_valid = True
    yield found
    found.simulator.control("DELETE", "faults")
