"""One suite for every vendor: what a write leaves behind, also when its answer is lost."""

import itertools
import time
from contextlib import suppress
from typing import Any

import pytest

from apps.connectors.base import AfterUnknown, Written
from apps.core.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    TransientError,
)
from tests.contracts.connectors.rig import Rig

pytestmark = pytest.mark.contract

numbers = itertools.count(1)
OPERATIONS = [
    ("stripe", "customer.upsert", "/v1/customers$"),
    ("stripe", "subscription.create", "/v1/subscriptions$"),
    ("netsuite", "customer.upsert", "/record/v1/customer"),
    ("netsuite", "invoice.create", "/record/v1/invoice$"),
    ("netsuite", "journal.create", "/record/v1/journalEntry$"),
    ("netsuite", "invoice.credit", "/record/v1/invoice/[^/]+/!transform/creditMemo$"),
    ("provisioning", "entitlement.provision", "/events"),
]
WRITES = [pytest.param(v, o, p, id=f"{v}:{o}") for v, o, p in OPERATIONS]
every_write = pytest.mark.parametrize(("rig", "operation", "path"), WRITES, indirect=["rig"])


def new_reference() -> str:
    return f"Q{next(numbers):012d}"


def write(rig: Rig, call: Any, **changes: Any) -> Written:
    written: Written = rig.run(lambda session: rig.connector.write(session, call), **changes)
    return written


def documents(rig: Rig, reference: str) -> set[str]:
    """Ids of what the vendor's own ledger says was created under our reference."""
    lines = rig.simulator.ledger(reference)
    return {line["id"] for line in lines if line["action"] in ("created", "provisioned")}


def settled(rig: Rig, call: Any) -> int:
    """How many documents of ours there are once the vendor has done its work."""
    deadline = time.monotonic() + 5
    while not documents(rig, call.reference) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(documents(rig, call.reference))


EXPECTED = {"subscription.create": 2}


@every_write
def test_a_write_stands_and_is_read_back(rig: Rig, operation: str, path: str) -> None:
    call = rig.call(operation, new_reference())
    written = write(rig, call)
    reading = rig.run(lambda session: rig.connector.read_back(session, call, written))
    assert reading.external_id == written.external_id != ""
    assert settled(rig, call) == EXPECTED.get(operation, 1)


@every_write
def test_the_same_write_twice_is_one_document(rig: Rig, operation: str, path: str) -> None:
    call = rig.call(operation, new_reference())
    assert write(rig, call).external_id == write(rig, call).external_id
    assert settled(rig, call) == EXPECTED.get(operation, 1)


@every_write
@pytest.mark.parametrize("fault", ["apply_then_timeout", "cut_body", "apply_then_500"])
def test_a_lost_answer_is_recovered_without_a_second_document(
    rig: Rig, operation: str, path: str, fault: str
) -> None:
    method = (
        "PUT" if (path, rig.connector.vendor) == ("/record/v1/customer", "netsuite") else "POST"
    )
    call = rig.call(operation, new_reference())
    rig.simulator.fault(fault, path_regex=path, method=method)
    with suppress(OutcomeUnknownError):  # Stripe looks a server error up by itself
        write(rig, call)
    capability = rig.connector.capabilities[operation]
    assert capability.after_unknown in (AfterUnknown.NATIVE_KEY, AfterUnknown.UNIQUE_REFERENCE)
    again = write(rig, call)
    assert again.external_id
    assert settled(rig, call) == EXPECTED.get(operation, 1)


@pytest.mark.parametrize(  # provisioning drops repetitions; there is nothing to look up
    ("rig", "operation", "path"), WRITES[:-1], indirect=["rig"]
)
def test_a_lost_answer_is_found_by_reference(rig: Rig, operation: str, path: str) -> None:
    call = rig.call(operation, new_reference())
    assert rig.run(lambda session: rig.connector.look_up(session, call)) is None
    written = write(rig, call)
    found = rig.run(lambda session: rig.connector.look_up(session, call))
    assert found.external_id == written.external_id


@every_write
@pytest.mark.parametrize(("fault", "code"), [("outage", "server_error"),
                                             ("rate_limit", "rate_limited")])  # fmt: skip
def test_what_was_not_done_is_tried_again_later(
    rig: Rig, operation: str, path: str, fault: str, code: str
) -> None:
    call = rig.call(operation, new_reference())
    rig.simulator.fault(fault, count=9)
    with pytest.raises(TransientError) as refused:
        write(rig, call)
    assert refused.value.facts.code == code
    assert (refused.value.retry_after is not None) == (code == "rate_limited")
    assert documents(rig, call.reference) == set()


@every_write
def test_a_proxy_page_leaves_the_outcome_unknown(rig: Rig, operation: str, path: str) -> None:
    call = rig.call(operation, new_reference())
    rig.simulator.fault("html", path_regex=path, count=1)
    with pytest.raises((OutcomeUnknownError, TransientError)):
        write(rig, call)
    assert documents(rig, call.reference) == set()


@every_write
def test_nobody_at_the_address_is_transient(rig: Rig, operation: str, path: str) -> None:
    call = rig.call(operation, new_reference())
    with pytest.raises(TransientError) as refused:
        write(rig, call, base_url="http://127.0.0.1:9", tokens={})
    assert refused.value.facts.code == "unreachable"


WRONG = {
    "stripe": {"api_key": "pk_wrong"},
    "provisioning": {"signing_secret": "whsec_bm90IHRoZSByaWdodCBrZXkgYXQgYWxsIQ=="},
}


@pytest.mark.parametrize("rig", ["stripe", "provisioning"], indirect=True)
def test_wrong_credentials_stop_the_connection(rig: Rig) -> None:
    call = rig.call(next(iter(rig.calls)), new_reference())
    with pytest.raises(ConfigurationError) as refused:
        write(rig, call, secrets=WRONG[rig.connector.vendor])
    assert refused.value.facts.code == "not_authorised"
    assert documents(rig, call.reference) == set()
