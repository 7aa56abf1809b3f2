"""Stripe's idempotency keys as documented: replays, conflicts, expiry, kept errors."""

from datetime import timedelta
from typing import Any

import pytest

from apps.simulators.core.calls import Call
from apps.simulators.core.faults import FaultBoard
from apps.simulators.stripe.vendor import StripeVendor
from tests.contracts.contract_client import ContractClient

pytestmark = pytest.mark.contract


def ok(result: tuple[int, Any]) -> Any:
    status, body = result
    assert status == 200, body
    return body


def vendor_of(client: ContractClient) -> StripeVendor:
    assert isinstance(client.vendor, StripeVendor)
    return client.vendor


def test_idempotency_replays_refuses_other_parameters_and_expires(
    stripe_sim: ContractClient,
) -> None:
    headers = {"idempotency-key": "k1"}
    first = stripe_sim.form("POST", "/v1/customers", {"name": "A"}, headers=headers)
    again = stripe_sim.form("POST", "/v1/customers", {"name": "A"}, headers=headers)
    assert first == again
    status, body = stripe_sim.form("POST", "/v1/customers", {"name": "B"}, headers=headers)
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    vendor_of(stripe_sim).kit.move_clock(timedelta(hours=24, seconds=1))
    later = stripe_sim.form("POST", "/v1/customers", {"name": "A"}, headers=headers)
    assert ok(later)["id"] != ok(first)["id"]


def test_refused_parameters_do_not_use_up_a_key(stripe_sim: ContractClient) -> None:
    headers = {"idempotency-key": "k1"}
    stripe_sim.form("POST", "/v1/customers", {"zzz": 1}, valid=False, headers=headers)
    ok(stripe_sim.form("POST", "/v1/customers", {"name": "A"}, headers=headers))


def test_missing_object_is_kept_under_the_key(stripe_sim: ContractClient) -> None:
    headers = {"idempotency-key": "k1"}
    for _ in range(2):
        status, body = stripe_sim.form(
            "POST",
            "/v1/subscriptions",
            {"customer": "cus_no", "collection_method": "send_invoice", "days_until_due": 5},
            headers=headers,
        )
        assert (status, body["error"]["code"]) == (400, "resource_missing")


def test_500_after_the_fact_is_replayed(stripe_sim: ContractClient) -> None:
    board = FaultBoard()
    board.add({"kind": "apply_then_500", "count": 1})
    vendor = vendor_of(stripe_sim)
    headers = {**stripe_sim.headers, "idempotency-key": "k5"}
    call = Call("POST", "/v1/customers", headers=headers, body=b"name=A")
    call.faults = board.pick("POST", "/v1/customers")
    assert vendor.handle(call).status == 500
    call.faults = board.pick("POST", "/v1/customers")
    assert vendor.handle(call).status == 500
    assert len(ok(stripe_sim.form("GET", "/v1/customers"))["data"]) == 1


def test_key_in_use_is_a_conflict(stripe_sim: ContractClient) -> None:
    vendor = vendor_of(stripe_sim)
    headers = {**stripe_sim.headers, "idempotency-key": "k"}
    first = Call("POST", "/v1/customers", headers=headers, body=b"name=A")
    second = Call("POST", "/v1/customers", headers=headers, body=b"name=A")
    assert vendor.admit(first) is None
    refusal = vendor.admit(second)
    assert refusal is not None
    assert refusal.status == 409
    assert refusal.content["error"]["code"] == "idempotency_key_in_use"
    vendor.release(first)
    assert vendor.admit(second) is None
