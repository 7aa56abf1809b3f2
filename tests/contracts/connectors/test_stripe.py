"""Stripe: a mid-term change with its proration, events, invoices and refusals."""

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.connectors.base import OutboundCall, Written
from apps.core.errors import OutcomeUnknownError, RejectedError
from tests.contracts.connectors.conftest import STRIPE_KEY
from tests.contracts.connectors.rig import Rig

pytestmark = pytest.mark.contract
DAY = 86_400


@pytest.fixture(scope="module")
def contract(stripe: Rig) -> Written:
    call = stripe.call("subscription.create", "Q0000000000SC")
    written: Written = stripe.run(lambda s: stripe.connector.write(s, call))
    return written


def change_call(contract: Written, reference: str, quantity: int, moment: int) -> OutboundCall:
    annual = contract.data["subscriptions"][0]
    change = {
        "subscription": annual["id"],
        "proration_date": moment,
        "proration_behavior": "always_invoice",
        "items": [{"id": annual["items"][0]["id"], "quantity": quantity}],
        "metadata": {"hub_change": reference},
    }
    return OutboundCall(
        "subscription.change", reference, f"q2c-{reference}-0", {"changes": [change]}
    )


def test_items_are_told_by_our_lines(contract: Written) -> None:
    annual, monthly = contract.data["subscriptions"]
    assert (annual["key"], monthly["key"]) == ("annual", "monthly")
    assert [item["line"] for item in annual["items"]] == ["annual-1"]
    assert annual["items"][0]["quantity"] == 5


def test_a_change_gives_its_prorated_net_and_is_found_again(
    stripe: Rig, contract: Written
) -> None:
    period = contract.data["subscriptions"][0]["items"][0]
    start, end = period["period_start"], period["period_end"]
    moment = start + 5 * DAY
    call = change_call(contract, "Q0000000000C1", 7, moment)
    assert stripe.run(lambda s: stripe.connector.look_up(s, call)) is None
    written = stripe.run(lambda s: stripe.connector.write(s, call))
    left = Decimal(end - moment) / Decimal(end - start)
    expected = (Decimal(7 * 120_000) * left).quantize(Decimal(1)) - (
        Decimal(5 * 120_000) * left
    ).quantize(Decimal(1))
    assert Decimal(written.data["prorated_net"]) == expected / 100
    assert written.data["currency"] == "EUR"
    assert stripe.run(lambda s: stripe.connector.look_up(s, call)) == written


@pytest.mark.parametrize("rig", ["stripe"], indirect=True)
@pytest.mark.parametrize("fault", ["apply_then_timeout", "apply_then_500", "cut_body"])
def test_a_change_with_a_lost_answer_is_made_once(rig: Rig, contract: Written, fault: str) -> None:
    period = contract.data["subscriptions"][1]["items"][0]
    quantity = {"apply_then_timeout": 3, "apply_then_500": 4, "cut_body": 5}[fault]
    reference = f"Q000000000L{quantity}"
    change = {
        "subscription": contract.data["subscriptions"][1]["id"],
        "proration_date": period["period_start"] + quantity * DAY // 2,
        "proration_behavior": "always_invoice",
        "items": [{"id": period["id"], "quantity": quantity}],
        "metadata": {"hub_change": reference},
    }
    key = f"q2c-{reference}-0"
    call = OutboundCall("subscription.change", reference, key, {"changes": [change]})
    rig.simulator.fault(fault, path_regex="/v1/subscriptions/", method="POST")
    try:
        first = rig.run(lambda s: rig.connector.write(s, call))
    except OutcomeUnknownError:
        first = None
    again = rig.run(lambda s: rig.connector.write(s, call))
    assert first in (None, again)
    assert Decimal(again.data["prorated_net"]) > 0
    assert len(again.data["invoices"]) == 1


def walk(rig: Rig, cursor: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    found: list[Any] = []
    more = True
    while more:
        page = rig.poll(cursor)
        found += page.objects
        cursor, more = dict(page.cursor), page.more
    return found, cursor


def test_polling_finds_what_webhooks_would_have_told(stripe: Rig, contract: Written) -> None:
    messages, cursor = walk(stripe, {})
    assert {m.object_type for m in messages} == {"invoice"}
    assert all(m.payload["lines"]["data"] for m in messages if not m.needs_fetch)
    assert abs(cursor["since"] - time.time()) < 600
    ids = sorted({m.object_id for m in messages})
    fetched = stripe.run(lambda s: stripe.connector.fetch(s, "invoice", [*ids, "in_gone"]))
    assert sorted(m.object_id for m in fetched) == ids


def test_versions_follow_the_life_of_an_invoice(stripe: Rig, contract: Written) -> None:
    messages, _ = walk(stripe, {})
    opened = next(m for m in messages if m.payload and m.payload["status"] == "open")
    with httpx.Client(base_url=stripe.simulator.url) as api:
        api.headers["authorization"] = f"Bearer {STRIPE_KEY}"
        api.post(
            f"/v1/invoices/{opened.object_id}/pay", data={"paid_out_of_band": "true"}
        ).raise_for_status()
    later, _ = walk(stripe, {})
    versions = [m.source_version for m in later if m.object_id == opened.object_id]
    assert versions == sorted(versions)
    assert versions[-1] > opened.source_version
    (fetched,) = stripe.run(lambda s: stripe.connector.fetch(s, "invoice", [opened.object_id]))
    assert fetched.source_version >= opened.source_version


def test_a_snapshot_lists_all_and_then_what_changed(stripe: Rig, contract: Written) -> None:
    page = stripe.run(lambda s: stripe.connector.snapshot(s, "invoice", {}))
    assert page.more is False
    document = page.documents[0]
    assert document.match_key == document.number != ""
    assert document.net + document.tax == document.gross
    assert document.entity == "DE01"
    assert sum(line.net for line in document.lines) == document.net
    following = stripe.run(lambda s: stripe.connector.snapshot(s, "invoice", page.cursor))
    assert {d.external_id for d in following.documents} <= {d.external_id for d in page.documents}
    assert following.cursor["phase"] == "events"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"customer": "cus_nobody"}, "unknown_reference", "customer"),
        ({"colour": "blue"}, "field_refused", "colour"),
    ],
)
@pytest.mark.parametrize("rig", ["stripe"], indirect=True)
def test_refusals_name_the_field(rig: Rig, change: dict[str, str], code: str, field: str) -> None:
    rig.is_valid = False
    call = rig.call("subscription.create", "Q0000000000RF")
    part = {**call.payload["subscriptions"][0], **change}
    refused_call = OutboundCall(
        call.operation, call.reference, f"q2c-rf-{field}", {"subscriptions": [part]}
    )
    with pytest.raises(RejectedError) as refused:
        rig.run(lambda s: rig.connector.write(s, refused_call))
    assert (refused.value.facts.code, refused.value.facts.field) == (code, field)


def test_one_part_refused_does_not_make_the_others_twice(stripe: Rig) -> None:
    call = stripe.call("subscription.create", "Q0000000000PP")
    good, bad = call.payload["subscriptions"]
    broken = {**bad, "customer": "cus_nobody"}
    first = OutboundCall(
        call.operation, call.reference, "q2c-PP-0", {"subscriptions": [good, broken]}
    )
    with pytest.raises(RejectedError, match="1 of its parts stand at Stripe") as refused:
        stripe.run(lambda s: stripe.connector.write(s, first))
    assert refused.value.partly
    mended = OutboundCall(
        call.operation, call.reference, "q2c-PP-1", {"subscriptions": [good, bad]}
    )
    stripe.run(lambda s: stripe.connector.write(s, mended))
    made = [
        line for line in stripe.simulator.ledger("Q0000000000PP") if line["action"] == "created"
    ]
    assert len(made) == 2


def test_a_customer_is_changed_not_made_again(stripe: Rig) -> None:
    first = stripe.call("customer.upsert", "Q0000000000K1")
    written = stripe.run(lambda s: stripe.connector.write(s, first))
    metadata = {**first.payload["metadata"], "hub_ref": "Q0000000000K2"}
    second = OutboundCall(
        "customer.upsert", "Q0000000000K2", "q2c-K2-0",
        {**first.payload, "name": "Nordwind SE", "metadata": metadata},
    )  # fmt: skip
    assert stripe.run(lambda s: stripe.connector.write(s, second)).external_id == (
        written.external_id
    )


def test_zero_decimal_currencies_keep_their_units() -> None:
    from apps.connectors.vendors.stripe.schemas import flatten, major

    assert major(1200, "JPY") == Decimal(1200)
    assert major("499050", "EUR") == Decimal("4990.50")
    assert flatten({"a": [{"b": True, "c": None}], "d": dt.date(2026, 1, 2)}) == [
        ("a[0][b]", "true"),
        ("d", "2026-01-02"),
    ]
