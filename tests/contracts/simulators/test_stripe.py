"""Stripe: every object type in replies, accepted and refused requests, documented rules."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from apps.simulators.core.webhooks import DELIVERY
from apps.simulators.stripe.vendor import StripeVendor, sign
from tests.contracts.contract_client import ContractClient

pytestmark = pytest.mark.contract

DAY = 86_400


def ok(result: tuple[int, Any]) -> Any:
    status, body = result
    assert status == 200, body
    return body


class Shop:
    """A customer, a product and a tax rate to sell with."""

    def __init__(self, client: ContractClient) -> None:
        self.client = client
        self.customer = ok(
            client.form(
                "POST",
                "/v1/customers",
                {
                    "name": "Acme GmbH",
                    "email": "ap@acme.example",
                    "invoice_prefix": "DE01",
                    "address": {"line1": "Weg 1", "city": "Berlin", "country": "DE"},
                    "metadata": {"hub_ref": "QCUST", "legal_entity": "DE01"},
                },
            )
        )
        self.product = ok(client.form("POST", "/v1/products", {"name": "Suite"}))
        self.rate = ok(
            client.form(
                "POST",
                "/v1/tax_rates",
                {"display_name": "USt", "percentage": "19", "inclusive": False, "country": "DE"},
            )
        )

    def price(self, amount: int = 1999, interval: str = "month", currency: str = "eur") -> Any:
        return {
            "currency": currency,
            "product": self.product["id"],
            "unit_amount": amount,
            "recurring": {"interval": interval},
        }

    def subscribe(self, **changes: Any) -> Any:
        form = {
            "customer": self.customer["id"],
            "collection_method": "send_invoice",
            "days_until_due": 30,
            "items": [{"price_data": self.price(), "quantity": 10}],
            "default_tax_rates": [self.rate["id"]],
            "metadata": {"hub_ref": "QSUB"},
            "expand": ["latest_invoice"],
            **changes,
        }
        return ok(self.client.form("POST", "/v1/subscriptions", form))


@pytest.fixture
def shop(stripe_sim: ContractClient) -> Shop:
    return Shop(stripe_sim)


def vendor_of(client: ContractClient) -> StripeVendor:
    assert isinstance(client.vendor, StripeVendor)
    return client.vendor


def test_every_object_type_of_a_sale_keeps_the_contract(shop: Shop) -> None:
    client, subscription = shop.client, shop.subscribe()
    invoice = subscription["latest_invoice"]
    item = subscription["items"]["data"][0]
    ok(client.form("POST", f"/v1/invoices/{invoice['id']}/pay", {"paid_out_of_band": True}))
    line = invoice["lines"]["data"][0]
    ok(
        client.form(
            "POST",
            "/v1/credit_notes",
            {
                "invoice": invoice["id"],
                "reason": "order_change",
                "lines": [
                    {"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": 100}
                ],
            },
        )
    )
    ok(
        client.form(
            "POST",
            "/v1/webhook_endpoints",
            {"url": "https://hub.example/in", "enabled_events": ["*"]},
        )
    )
    ok(
        client.form(
            "POST",
            "/v1/invoiceitems",
            {"customer": shop.customer["id"], "amount": 500, "currency": "eur"},
        )
    )
    for path in (
        *("/v1/customers", "/v1/products", "/v1/prices", "/v1/tax_rates", "/v1/subscriptions"),
        *("/v1/invoices", "/v1/credit_notes", "/v1/webhook_endpoints", "/v1/invoiceitems"),
        f"/v1/invoices/{invoice['id']}/lines",
        f"/v1/subscription_items/{item['id']}",
    ):
        ok(client.form("GET", path))
    ok(client.form("GET", "/v1/subscription_items", {"subscription": subscription["id"]}))
    events = ok(client.form("GET", "/v1/events", {"limit": 100}))
    assert {"invoice.paid", "invoice_payment.paid", "credit_note.created"} <= {
        event["type"] for event in events["data"]
    }


@pytest.mark.parametrize(
    ("path", "form", "code"),
    [
        ("/v1/customers", {"zzz": 1}, "parameter_unknown"),
        ("/v1/prices", {"product": "prod_1", "unit_amount": 5}, "parameter_missing"),
        (
            "/v1/subscriptions",
            {"customer": "cus_1", "items": [{"price": "price_1", "quantity": "five"}]},
            "parameter_invalid_integer",
        ),
        ("/v1/subscriptions", {"items": [{"prise": "price_1"}], "customer": "c"}, None),
        ("/v1/credit_notes", {"amount": 5}, "parameter_missing"),
    ],
)
def test_what_the_contract_refuses_the_simulator_refuses(
    stripe_sim: ContractClient, path: str, form: Any, code: str | None
) -> None:
    status, body = stripe_sim.form("POST", path, form, valid=False)
    assert status == 400
    assert code in (None, body["error"]["code"])
    assert vendor_of(stripe_sim).kit.ledger.lines() == []


def test_first_invoice_bills_each_natural_cycle_since_the_start(shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(days=40)
    subscription = shop.subscribe(backdate_start_date=int(start.timestamp()))
    invoice = subscription["latest_invoice"]
    lines = invoice["lines"]["data"]
    assert [line["amount"] for line in lines] == [19990, 19990]
    assert lines[0]["period"]["start"] == int(start.timestamp())
    assert lines[1]["period"]["start"] == lines[0]["period"]["end"]
    assert (invoice["subtotal"], invoice["total"]) == (39980, 47576)
    assert (invoice["number"], invoice["status"]) == ("DE01-0001", "open")


def test_upgrade_credits_what_was_debited_and_bills_now(shop: Shop) -> None:
    now = int(time.time())
    subscription = shop.subscribe(backdate_start_date=now - 10 * DAY)
    item = subscription["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    change = {
        "items": [{"id": item["id"], "quantity": 15}],
        "proration_behavior": "always_invoice",
        "proration_date": now,
    }
    preview = ok(
        shop.client.form(
            "POST",
            "/v1/invoices/create_preview",
            {"subscription": subscription["id"], "subscription_details": change},
        )
    )
    changed = ok(
        shop.client.form(
            "POST",
            f"/v1/subscriptions/{subscription['id']}",
            {**change, "expand": ["latest_invoice"]},
        )
    )
    lines = changed["latest_invoice"]["lines"]["data"]
    credit = -int(19990 * (end - now) / (end - start) + 0.5)
    debit = int(29985 * (end - now) / (end - start) + 0.5)
    assert [line["amount"] for line in lines] == [credit, debit]
    details = [line["parent"]["subscription_item_details"] for line in lines]
    assert all(detail["proration"] for detail in details)
    assert (
        details[0]["proration_details"]["credited_items"]["invoice"]
        == (subscription["latest_invoice"]["id"])
    )
    assert preview["total"] == changed["latest_invoice"]["total"]
    assert len(ok(shop.client.form("GET", "/v1/invoices"))["data"]) == 2


def test_second_change_credits_the_first_change_too(shop: Shop) -> None:
    subscription = shop.subscribe()
    item = subscription["items"]["data"][0]
    path = f"/v1/subscriptions/{subscription['id']}"
    for quantity in (15, 12):
        ok(
            shop.client.form(
                "POST",
                path,
                {
                    "items": [{"id": item["id"], "quantity": quantity}],
                    "proration_date": item["current_period_start"],
                },
            )
        )
    pending = ok(shop.client.form("GET", "/v1/invoiceitems"))["data"]
    assert sorted(entry["amount"] for entry in pending) == [-29985, -19990, 23988, 29985]


def test_zero_decimal_currency_has_whole_yen(shop: Shop) -> None:
    subscription = shop.subscribe(
        items=[{"price_data": shop.price(1235, "year", "jpy"), "quantity": 1}]
    )
    invoice = subscription["latest_invoice"]
    assert (invoice["currency"], invoice["subtotal"], invoice["total"]) == ("jpy", 1235, 1470)
    finalized = [
        line for line in vendor_of(shop.client).kit.ledger.lines() if line["action"] == "finalized"
    ]
    assert [(line["currency"], line["net"], line["tax"]) for line in finalized] == [
        ("JPY", "1235", "235")
    ]


def test_reverse_charge_customer_pays_no_tax(shop: Shop) -> None:
    path = f"/v1/customers/{shop.customer['id']}"
    ok(shop.client.form("POST", path, {"tax_exempt": "reverse"}))
    invoice = shop.subscribe()["latest_invoice"]
    assert invoice["total"] == invoice["subtotal"] == 19990
    assert invoice["total_taxes"][0]["taxability_reason"] == "reverse_charge"


def test_renewal_comes_due_with_the_clock(shop: Shop) -> None:
    subscription = shop.subscribe()
    vendor = vendor_of(shop.client)
    vendor.kit.move_clock(timedelta(days=32))
    vendor.tick()
    found = ok(shop.client.form("GET", "/v1/invoices", {"subscription": subscription["id"]}))
    assert [invoice["billing_reason"] for invoice in found["data"]] == [
        "subscription_cycle",
        "subscription_create",
    ]


def test_invoice_by_hand_is_dated_back_and_listed_by_its_customer(shop: Shop) -> None:
    client, customer = shop.client, shop.customer["id"]
    form = {
        "customer": customer,
        "collection_method": "send_invoice",
        "days_until_due": 30,
        "effective_at": 1_780_000_000,
        "currency": "eur",
    }
    draft = ok(client.form("POST", "/v1/invoices", form))
    item = {
        "customer": customer,
        "invoice": draft["id"],
        "amount": 25_000,
        "currency": "eur",
        "tax_rates": [shop.rate["id"]],
    }
    assert ok(client.form("POST", "/v1/invoiceitems", item))["invoice"] == draft["id"]
    final = ok(client.form("POST", f"/v1/invoices/{draft['id']}/finalize"))
    assert (final["total"], final["effective_at"]) == (29_750, 1_780_000_000)
    voided = ok(client.form("POST", f"/v1/invoices/{draft['id']}/void"))
    assert voided["status"] == "void"
    actions = [entry["action"] for entry in vendor_of(client).kit.ledger.lines()]
    assert actions[-2:] == ["finalized", "voided"]


def test_canceled_subscription_is_listed_only_when_asked_for(shop: Shop) -> None:
    subscription = shop.subscribe()
    path = f"/v1/subscriptions/{subscription['id']}"
    final = ok(shop.client.form("DELETE", path, {"prorate": True, "invoice_now": True}))
    assert final["status"] == "canceled"
    listed = {
        status: len(ok(shop.client.form("GET", "/v1/subscriptions", filters))["data"])
        for status, filters in (
            ("default", {}),
            ("all", {"status": "all"}),
            ("ended", {"status": "ended"}),
        )
    }
    assert listed == {"default": 0, "all": 1, "ended": 1}
    customer = ok(shop.client.form("GET", f"/v1/customers/{shop.customer['id']}"))
    assert customer["balance"] < 0


def test_paging_walks_all_and_search_finds_metadata(stripe_sim: ContractClient) -> None:
    made = [
        ok(stripe_sim.form("POST", "/v1/customers", {"name": f"C{n}", "metadata": {"n": n}}))["id"]
        for n in range(7)
    ]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(stripe_sim.form("GET", "/v1/customers", {"limit": 3, **cursor}))
        seen += [customer["id"] for customer in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"starting_after": seen[-1]}
    assert seen == made[::-1]
    query = {"query": "metadata['n']:'3' AND name:'C3'"}
    found = ok(stripe_sim.form("GET", "/v1/customers/search", query))
    assert [customer["id"] for customer in found["data"]] == [made[3]]


def test_webhook_is_signed_as_the_package_verifies(shop: Shop) -> None:
    vendor = vendor_of(shop.client)
    endpoint = {"id": "e", "url": "http://hub", "secret": "whsec_test"}
    vendor.outbox.add_endpoint(endpoint)
    shop.subscribe()
    delivery = next(iter(vendor.kit.store.all(DELIVERY)))
    body = delivery["body"].encode()
    header = sign(endpoint, delivery["message"], body, datetime.now(UTC))["stripe-signature"]
    event = stripe.Webhook.construct_event(delivery["body"], header, "whsec_test")
    assert event.id == delivery["message"]
    stamp = header.split(",")[0].removeprefix("t=")
    digest = hmac.new(b"whsec_test", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert header.endswith(digest)
    assert json.loads(body)["data"]["object"]["object"] in ("price", "subscription", "invoice")


def test_unknown_key_version_and_path_have_their_errors(stripe_sim: ContractClient) -> None:
    bad_key = {"authorization": "Bearer sk_live_x"}
    assert stripe_sim.form("GET", "/v1/customers", headers=bad_key)[0] == 401
    old = {"stripe-version": "2020-08-27"}
    assert stripe_sim.form("GET", "/v1/customers", headers=old)[0] == 400
    assert stripe_sim.form("GET", "/v1/nothing", valid=False)[0] == 404
    status, body = stripe_sim.form("GET", "/v1/customers/cus_no")
    assert (status, body["error"]["code"]) == (404, "resource_missing")
