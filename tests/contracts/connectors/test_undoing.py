"""Taking back what was written: ended, credited or revoked once, whatever answer was lost."""

import itertools
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from apps.connectors.base import AfterUnknown, Written
from apps.core.errors import OutcomeUnknownError, RejectedError, TransientError
from tests.contracts.connectors.rig import Rig

pytestmark = pytest.mark.contract

numbers = itertools.count(700_001)
FAULTS = ["apply_then_timeout", "cut_body", "apply_then_500"]


def new_reference() -> str:
    return f"Q{next(numbers):012d}"


def write(rig: Rig, call: Any) -> Written:
    written: Written = rig.run(lambda session: rig.connector.write(session, call))
    return written


def read_back(rig: Rig, call: Any, written: Written) -> Any:
    return rig.run(lambda session: rig.connector.read_back(session, call, written))


def look_up(rig: Rig, call: Any) -> Any:
    return rig.run(lambda session: rig.connector.look_up(session, call))


def lines_of(rig: Rig, action: str, *ids: str) -> list[Any]:
    lines = rig.simulator.control("GET", "ledger")
    return [line for line in lines if line["action"] == action and line["id"] in ids]


stripe = pytest.mark.parametrize("rig", ["stripe"], indirect=True)


def cancelled(rig: Rig, written: Written) -> tuple[int, int]:
    """How often the subscriptions were ended, and how many credit notes stand."""
    subscriptions = list(written.data["subscriptions"])
    notes = [note["id"] for note in written.data["credit_notes"]]
    return (
        len(lines_of(rig, "canceled", *subscriptions)),
        len(lines_of(rig, "issued", *notes)),
    )


@stripe
def test_subscriptions_end_and_their_invoices_are_credited_in_full(rig: Rig) -> None:
    call = rig.call("subscription.cancel", new_reference())
    assert look_up(rig, call) is None
    written = write(rig, call)
    assert cancelled(rig, written) == (2, 2)
    assert written.data["credited"] == "6099.81"
    assert read_back(rig, call, written).currency == "EUR"
    assert look_up(rig, call).external_id == written.external_id


@stripe
def test_ending_them_again_changes_nothing(rig: Rig) -> None:
    call = rig.call("subscription.cancel", new_reference())
    first, second = write(rig, call), write(rig, call)
    assert first.external_id == second.external_id
    assert cancelled(rig, first) == (2, 2)


@stripe
@pytest.mark.parametrize("method", ["DELETE", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_answer_ends_and_credits_once(rig: Rig, fault: str, method: str) -> None:
    call = rig.call("subscription.cancel", new_reference())
    path = "/v1/subscriptions/" if method == "DELETE" else "/v1/credit_notes$"
    rig.simulator.fault(fault, path_regex=path, method=method)
    with suppress(OutcomeUnknownError):
        write(rig, call)
    capability = rig.connector.capabilities["subscription.cancel"]
    assert capability.after_unknown is AfterUnknown.UNIQUE_REFERENCE
    written = write(rig, call)
    found = look_up(rig, call)
    assert cancelled(rig, found) == (2, 2)
    assert found.external_id == written.external_id


@stripe
def test_a_running_subscription_is_not_believed_ended(rig: Rig) -> None:
    call = rig.call("subscription.cancel", new_reference())
    with pytest.raises(TransientError):
        read_back(rig, call, Written("sub_1"))


@stripe
def test_a_paid_invoice_is_left_to_people(rig: Rig) -> None:
    call = rig.call("subscription.cancel", new_reference())
    key = call.payload["subscriptions"][0]["id"]
    headers = {"authorization": f"Bearer {rig.secrets['api_key']}"}
    with httpx.Client(base_url=rig.simulator.url, headers=headers) as api:
        [invoice] = api.get("/v1/invoices", params={"subscription": key}).json()["data"]
        api.post(f"/v1/invoices/{invoice['id']}/pay", data={"paid_out_of_band": "true"})
    with pytest.raises(RejectedError, match="is paid"):
        write(rig, call)
    assert lines_of(rig, "issued", invoice["id"]) == []


provisioning = pytest.mark.parametrize("rig", ["provisioning"], indirect=True)


def provisioned(rig: Rig, reference: str) -> Any:
    """The call that revokes an entitlement which is live."""
    provision = rig.call("entitlement.provision", reference)
    write(rig, provision)
    _wait(rig, "provisioned", reference)
    call = rig.call("entitlement.revoke", f"R{reference[1:]}")
    return replace(call, payload={**call.payload, "subscription": f"SUB-{reference}"})


def _wait(rig: Rig, action: str, reference: str) -> list[Any]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        lines = [x for x in rig.simulator.ledger(reference) if x["action"] == action]
        if lines:
            return lines
        time.sleep(0.05)
    return []


@provisioning
@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_an_entitlement_is_revoked_once(rig: Rig, fault: str | None) -> None:
    call = provisioned(rig, new_reference())
    if fault:
        rig.simulator.fault(fault, path_regex="/events", method="POST")
    with suppress(OutcomeUnknownError):
        write(rig, call)
    written = write(rig, call)
    assert len(_wait(rig, "revoked", call.reference)) == 1
    assert read_back(rig, call, written).external_id == call.reference


@provisioning
def test_what_never_came_to_be_is_as_good_as_revoked_after_a_while(rig: Rig) -> None:
    call = rig.call("entitlement.revoke", new_reference())
    written = write(rig, call)
    with pytest.raises(TransientError):
        read_back(rig, call, written)
    long_ago = {**written.data, "asked_at": "2026-11-01T00:00:00+00:00"}
    assert read_back(rig, call, replace(written, data=long_ago)).external_id == call.reference


@provisioning
def test_a_revocation_is_believed_once_it_is_carried_out(rig: Rig) -> None:
    call = provisioned(rig, new_reference())
    rig.simulator.control("POST", "delay", {"seconds": 60})
    try:
        written = write(rig, call)
        with pytest.raises(TransientError) as refused:
            read_back(rig, call, written)
    finally:
        rig.simulator.control("POST", "delay", {"seconds": 0})
    assert refused.value.retry_after == 1.0
