"""The field maps that ship with the hub, from canonical records to the vendors' documents."""

import datetime as dt
import json
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest

from apps.canonical.models import Amendment, Customer, Invoice, Order, Quote
from apps.canonical.selectors import amendment_facts, invoice_facts, order_facts
from apps.canonical.services import build_revenue_schedules
from apps.connectors.vendors.netsuite.schemas import NUMBERS
from apps.connectors.vendors.stripe.schemas import flatten
from apps.core.principal import Actor
from apps.events.services import acting
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.services import link_references, translate
from apps.mappings.types import ReferenceDraft, TranslationRequest
from apps.workflows.definition import Done, Facts, Post
from apps.workflows.definitions import amendment as amending
from apps.workflows.definitions import invoice_posting as posting
from apps.workflows.definitions import order_activation as activation
from tests.contracts.validators import validate_request
from tests.integration.canonical.conftest import Receive
from tests.integration.canonical.world import CONNECTION, amendment, invoice, quote

REFERENCE = "QABCDEFGHIJKLM"
TAXED = [{"position": n, "tax_code": "DE-VAT-19"} for n in range(4)]


@pytest.fixture
def order(receive: Receive) -> Facts:
    """The facts of an order whose customer billing and the ERP know already."""
    receive("salesforce.quote.in", quote())
    customer, sold = Customer.objects.get(), Order.objects.get()
    drafts = [
        ("customer", "55", "customer", customer.id),
        ("quote", "a0Q000000000001AAA", "quote", sold.quote_id),
    ]
    link_references([ReferenceDraft(CONNECTION, *draft) for draft in drafts])
    facts = order_facts([str(sold.id)])[str(sold.id)]
    outputs = {
        "tax": {"lines": TAXED},
        "customer_in_billing": {"external_id": "cus_1"},
    }
    return {**facts, "outputs": outputs}


def sent(vendor: str, command: object, now: dt.datetime) -> Any:
    """What a step's posting becomes for a vendor: plain JSON."""
    assert isinstance(command, Post)
    request = TranslationRequest(
        f"{vendor}.{command.operation}.out",
        {**command.payload, "reference": REFERENCE},
        str(command.payload.get("entity", "")),
        "tests",
        uuid.uuid4(),
        CONNECTION,
    )
    (done,) = translate([request], now=now)
    assert done.missing == ()
    return json.loads(json.dumps(done.output))


def stripe_problems(path: str, form: dict[str, Any]) -> list[str]:
    return validate_request("stripe", "POST", path, urlencode(flatten(form)))


def on_the_wire(value: Any, name: str = "") -> Any:
    """A NetSuite document with JSON numbers where NetSuite has them."""
    if isinstance(value, dict):
        return {key: on_the_wire(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [on_the_wire(part, name) for part in value]
    return float(value) if name in NUMBERS and isinstance(value, str) else value


def test_a_customer_for_billing_and_for_the_erp(order: Facts, now: dt.datetime) -> None:
    form = sent("stripe", activation.customer_in_billing(order), now)
    assert form["id"] == "55"
    assert "tax_id_data" not in form
    assert form["metadata"]["legal_entity"] == "DE01"
    form.pop("id")
    assert stripe_problems("/v1/customers/55", form) == []
    record = sent("netsuite", activation.customer_in_erp(order), now)
    assert record["externalId"] == "C-1017"
    assert record["subsidiary"] == {"externalId": "DE01"}
    assert "state" not in record["addressBook"]["items"][0]["addressBookAddress"]
    path = "/services/rest/record/v1/customer/eid:C-1017"
    assert validate_request("netsuite", "PUT", path, json.dumps(record)) == []


def test_a_subscription_for_each_frequency_with_one_time_lines_once(
    order: Facts, now: dt.datetime
) -> None:
    (annual, monthly) = sent("stripe", activation.subscription(order), now)["subscriptions"]
    assert (annual.pop("key"), monthly.pop("key")) == ("annual", "monthly")
    assert annual["backdate_start_date"] == 1_794_268_800  # 10 November 2026, midnight UTC
    assert annual["days_until_due"] == 30
    assert annual["metadata"] == {
        "hub_ref": REFERENCE, "hub_contract": "00000101", "hub_order": "ORD-00000101",
        "legal_entity": "DE01",
    }  # fmt: skip
    (seats,) = annual["items"]
    assert seats["price_data"] == {
        "currency": "eur", "product": "prod_seat-pro", "unit_amount_decimal": "30000",
        "recurring": {"interval": "year", "interval_count": 1},
    }  # fmt: skip
    assert (seats["quantity"], seats["tax_rates"]) == (40, ["txr_19"])
    assert [item["price_data"]["product"] for item in annual["add_invoice_items"]] == [
        "prod_onb-std"
    ]
    assert monthly["add_invoice_items"] == []
    for form in (annual, monthly):
        assert stripe_problems("/v1/subscriptions", form) == []


def test_an_entitlement_and_the_word_to_cpq(order: Facts, now: dt.datetime) -> None:
    event = sent("provisioning", activation.provision(order), now)
    assert event["subscription"] == "00000101"
    assert event["reference"] == REFERENCE
    assert [e["sku"] for e in event["entitlements"]] == [
        "SUITE-ENT", "SEAT-PRO", "STORAGE-TB", "ONB-STD",
    ]  # fmt: skip
    assert sent("salesforce", activation.tell_cpq(order), now) == {
        "Id": "a0Q000000000001AAA", "Hub_Order__c": "ORD-00000101", "Hub_Status__c": "Booked",
    }  # fmt: skip


def test_a_quote_of_the_domain_api_becomes_an_order_and_nobody_is_told(
    receive: Receive, now: dt.datetime
) -> None:
    document = {
        "id": "Q-A1", "number": "Q-A1", "status": "accepted", "ordered": True, "entity": "DE01",
        "changed_at": "2026-11-20T09:00:00+00:00", "currency": "EUR", "net": "1200.00",
        "start_date": "2026-11-10", "end_date": "2027-11-10", "term_months": 12,
        "approval_outcome": "approved", "contract_number": "CT-1", "contract_reference": "CT-1",
        "customer": {"number": "C-9", "name": "Ferro GmbH", "country": "DE"},
        "lines": [{"key": "1", "position": 0, "product": {"sku": "SEAT-PRO"}, "net": "1200.00",
                   "charge_type": "recurring", "frequency": "annual", "quantity": "4",
                   "unit_price": "300"}],
    }  # fmt: skip
    (done,) = receive("api.quote.in", document)
    assert done.outcome == "created"
    sold = Order.objects.get()
    assert (sold.contract.number, sold.customer.currency) == ("CT-1", "EUR")
    assert activation.tell_cpq(order_facts([str(sold.id)])[str(sold.id)]) == Done()


def test_a_tax_request_names_seller_buyer_and_lines(order: Facts, now: dt.datetime) -> None:
    asked = sent("ratetable", activation.tax(order), now)
    assert (asked["seller_country"], asked["customer"]["country"]) == ("DE", "DE")
    assert asked["customer"]["vat_id"] == "DE811569869"
    assert [line["net"] for line in asked["lines"]] == [
        "0.0000", "12000.0000", "430.0000", "6555.0000",
    ]  # fmt: skip


@pytest.fixture
def billed(order: Facts, receive: Receive, actor: Actor, now: dt.datetime) -> Facts:
    receive("stripe.invoice.in", invoice())
    found = Invoice.objects.get()
    with acting(actor):
        build_revenue_schedules([found.id], actor=actor, now=now)
    return {**invoice_facts([str(found.id)])[str(found.id)], "outputs": {}}


def test_an_invoice_for_the_erp(billed: Facts, now: dt.datetime) -> None:
    record = sent("netsuite", posting.invoice_in_erp(billed), now)
    assert record["otherRefNum"] == "X7K2-0001"
    assert (record["externalId"], record["tranDate"]) == (REFERENCE, "2026-11-21")
    assert record["department"] == {"externalId": "SALES-EMEA"}
    seats, onboarding = record["item"]["items"]
    assert (seats["item"], seats["amount"]) == ({"externalId": "SEAT-PRO"}, "12000.0000")
    assert (seats["revRecStartDate"], seats["revRecEndDate"]) == ("2026-11-10", "2027-11-09")
    assert onboarding["class"] == {"externalId": "PLATFORM"}
    taxes = record["taxDetails"]["items"]
    assert [(t["taxDetailsReference"], t["taxRate"]) for t in taxes] == [
        ("0", "19.00"),
        ("1", "19.00"),
    ]
    assert sum(float(t["taxAmount"]) for t in taxes) == 3525.45
    body = json.dumps(on_the_wire(record))
    path = "/services/rest/record/v1/invoice"
    assert validate_request("netsuite", "POST", path, body) == []


def test_a_journal_entry_for_the_erp_balances(billed: Facts, now: dt.datetime) -> None:
    record = sent("netsuite", posting.revenue_in_erp(billed), now)
    debit, credit = record["line"]["items"]
    assert debit["account"] == {"externalId": "2400"}
    assert credit["account"] == {"externalId": "4000"}
    assert debit["debit"] == credit["credit"] == "7245.4100"
    assert ("credit" in debit, "debit" in credit) == (False, False)
    body = json.dumps(on_the_wire(record))
    path = "/services/rest/record/v1/journalEntry"
    assert validate_request("netsuite", "POST", path, body) == []


def test_an_upgrade_changes_the_item_that_its_line_made(
    order: Facts,
    receive: Receive,
    now: dt.datetime,
) -> None:
    receive("salesforce.quote.in", amendment())
    change = Amendment.objects.get()
    facts = {
        **amendment_facts([str(change.id)])[str(change.id)],
        "outputs": {"tax": {"lines": TAXED}},
        "billing": [{"id": "sub_1", "items": [{"id": "si_1", "line": f"a0L{1:015d}"}]}],
    }
    (form,) = sent("stripe", amending.change_billing(facts), now)["changes"]
    assert form.pop("subscription") == "sub_1"
    assert form["items"] == [{"id": "si_1", "quantity": 50, "tax_rates": ["txr_19"]}]
    assert form["proration_date"] == 1_795_132_800  # 20 November 2026, midnight UTC
    assert stripe_problems("/v1/subscriptions/sub_1", form) == []
    event = sent("provisioning", amending.provision(facts), now)
    assert event["effective_date"] == "2026-11-20"


def test_a_callback_says_which_request_it_answers(installed: None, now: dt.datetime) -> None:
    callback = {
        "type": "entitlement.provisioned", "subject": "00000101",
        "data": {"reference": REFERENCE, "subscription": "00000101", "entitlement": "ent_1"},
    }  # fmt: skip
    request = TranslationRequest(
        "provisioning.callback.in", callback, "", "tests", uuid.uuid4(), CONNECTION
    )
    (done,) = translate([request], now=now)
    assert done.output == {
        "record_type": "entitlement", "status": "provisioned", "reference": REFERENCE,
        "contract": "00000101", "entitlement": "ent_1",
    }  # fmt: skip


def test_a_malformed_invoice_names_its_fields(installed: None, now: dt.datetime) -> None:
    broken = {"id": "in_x", "currency": 17, "number": None, "total": "twelve", "lines": "none"}
    request = TranslationRequest(
        "stripe.invoice.in", broken, "", "tests", uuid.uuid4(), CONNECTION
    )
    (done,) = translate([request], now=now)
    assert done.output is None
    assert {"total", "status", "lines.data"} <= {m.path for m in done.missing}
    assert all(m.mapping == "" for m in done.missing)


def test_a_product_nobody_mapped_is_named_with_its_map(order: Facts, now: dt.datetime) -> None:
    version = MappingVersion.objects.get(mapping__code="products.stripe", state="active")
    version.rows.filter(source_value="SEAT-PRO").delete()
    command = activation.subscription(order)
    assert isinstance(command, Post)
    request = TranslationRequest(
        "stripe.subscription.create.out", {**command.payload, "reference": REFERENCE}, "DE01",
        "tests", uuid.uuid4(), CONNECTION,
    )  # fmt: skip
    (done,) = translate([request], now=now)
    (missing,) = done.missing
    assert (missing.mapping, missing.key, missing.path) == (
        "products.stripe", "SEAT-PRO", "parts.0.lines.0.sku",
    )  # fmt: skip


def test_every_operation_of_the_workflows_has_a_field_map(installed: None) -> None:
    codes = set(Mapping.objects.filter(kind="field").values_list("code", flat=True))
    wanted = {
        "salesforce.quote.in", "stripe.invoice.in", "provisioning.callback.in", "api.quote.in",
        "stripe.customer.upsert.out", "stripe.subscription.create.out",
        "stripe.subscription.change.out", "netsuite.customer.upsert.out",
        "netsuite.invoice.create.out", "netsuite.journal.create.out",
        "provisioning.entitlement.provision.out", "provisioning.entitlement.change.out",
        "ratetable.tax.quote.out", "salesforce.quote.write_back.out",
        "tryton.customer.upsert.out", "tryton.invoice.create.out", "tryton.journal.create.out",
    }  # fmt: skip
    assert wanted <= codes
    assert not Quote.objects.exists()
