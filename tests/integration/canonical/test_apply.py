"""From documents of the platforms to canonical records: in sets, once, older ones refused."""

import datetime as dt
from decimal import Decimal

import pytest

from apps.canonical.models import (
    Amendment,
    Contract,
    Customer,
    Invoice,
    Order,
    Product,
    Quote,
    RecordVersion,
    RevenueSchedule,
    Subscription,
)
from apps.canonical.selectors import invoice_facts
from apps.canonical.services import (
    apply_amendments,
    book_orders,
    build_revenue_schedules,
    correct_customer,
)
from apps.core.errors import RejectedError, StaleWriteError
from apps.core.principal import Actor
from apps.events.models import Event
from apps.events.services import acting
from tests.integration.canonical.conftest import Receive
from tests.integration.canonical.world import amendment, invoice, quote

QUOTE, INVOICE = "salesforce.quote.in", "stripe.invoice.in"


def told(*types: str) -> list[str]:
    return list(Event.objects.filter(type__in=types).order_by("id").values_list("type", flat=True))


def test_an_accepted_and_approved_quote_becomes_an_order_with_its_contract(
    receive: Receive,
) -> None:
    (done,) = receive(QUOTE, quote())
    assert done.outcome == "created"
    order = Order.objects.select_related("contract", "customer", "quote").get()
    assert order.contract.number == "00000101"
    assert (order.net, order.currency) == (Decimal("18985"), "EUR")
    assert (order.start_date, order.end_date) == (dt.date(2026, 11, 10), dt.date(2027, 11, 10))
    assert order.customer.name == "Bluefin Systems GmbH"
    assert order.customer.location == "BER"
    assert order.quote.approved_by == "Dana Whitfield"
    assert order.lines.get(product__sku="SEAT-PRO").parent_position == 0
    assert Product.objects.get(sku="SUITE-ENT").is_bundle
    recurring = Subscription.objects.order_by("number").values_list("product__sku", "frequency")
    assert list(recurring) == [
        ("SUITE-ENT", "annual"), ("SEAT-PRO", "annual"), ("STORAGE-TB", "monthly"),
    ]  # fmt: skip
    assert {q.journey_id for q in (order, order.quote, order.contract)} == {done.journey_id}
    event = Event.objects.get(type="order.created")
    assert event.data["wakes"] == ["contract:00000101", "contract:800000000000001AAA"]


def test_the_same_version_again_is_older_and_changes_nothing(receive: Receive) -> None:
    receive(QUOTE, quote())
    (again,) = receive(QUOTE, quote(SBQQ__NetAmount__c="1"))
    assert again.outcome == "older"
    assert Quote.objects.get().net == Decimal("18985")
    assert Order.objects.count() == 1
    assert told("order.created") == ["order.created"]


def test_a_newer_version_changes_the_quote_and_makes_no_second_order(receive: Receive) -> None:
    receive(QUOTE, quote(SBQQ__Status__c="Approved", SBQQ__Ordered__c=False))
    assert not Order.objects.exists()
    receive(QUOTE, quote(), version=2)
    receive(QUOTE, quote(SBQQ__Status__c="Booked"), version=3)
    assert Order.objects.count() == 1
    found = Quote.objects.get()
    assert (found.status, found.version, found.source_version) == ("booked", 3, 3)
    assert RecordVersion.objects.filter(record_type="quote").count() == 3


def test_an_echo_of_our_own_write_is_unchanged_and_keeps_older_versions_out(
    receive: Receive,
) -> None:
    receive(QUOTE, quote())
    (echo,) = receive(QUOTE, quote(SystemModstamp="2026-11-20T09:05:00.000+0000"), version=3)
    (late,) = receive(QUOTE, quote(Department__c="OTHER"), version=2)
    assert [echo.outcome, late.outcome] == ["unchanged", "older"]
    found = Quote.objects.get()
    assert (found.version, found.source_version, found.department) == (1, 3, "SALES-EMEA")
    assert told("quote.created", "quote.changed") == ["quote.created"]


@pytest.mark.parametrize("outcome", [None, "Pending", "Rejected", "Recalled"])
def test_an_acceptance_without_approval_makes_nothing(
    receive: Receive, outcome: str | None
) -> None:
    (done,) = receive(QUOTE, quote(ApprovalStatus__c=outcome))
    assert (done.outcome, done.error_code) == ("refused", "acceptance_without_approval")
    assert done.case_facts["amount"] == Decimal("18985")
    assert not Order.objects.exists()
    assert told("order.created") == []


def test_an_amendment_waits_for_its_order_and_is_prorated_once_it_is_there(
    receive: Receive, actor: Actor, now: dt.datetime
) -> None:
    (early,) = receive(QUOTE, amendment())
    assert (early.outcome, early.waits_for) == ("waits", "contract:800000000000001AAA")
    assert not Amendment.objects.exists()
    receive(QUOTE, quote())
    (done,) = receive(QUOTE, amendment())
    assert done.outcome == "created"
    change = Amendment.objects.get()
    # 355 of 365 days: 50 seats cost 14589.04, 40 seats are credited with 11671.23
    assert change.prorated_net == Decimal("2917.81")
    assert change.net_per_term == Decimal("3000")
    assert (change.number, change.generation) == ("00000101-A1", 1)
    assert done.journey_id == Order.objects.get().journey_id

    with acting(actor):
        apply_amendments([change.id], actor=actor, now=now)
        apply_amendments([change.id], actor=actor, now=now)
    assert Contract.objects.get().net == Decimal("21985")
    assert Subscription.objects.get(product__sku="SEAT-PRO").quantity == 50
    assert told("amendment.applied") == ["amendment.applied"]


def test_a_second_amendment_credits_what_the_first_was_charged(receive: Receive) -> None:
    receive(QUOTE, quote())
    receive(QUOTE, amendment())
    again = amendment(Id="a0Q000000000003AAA", Name="Q-00003", SBQQ__StartDate__c="2027-01-08")
    again["lines"][0] |= {"SBQQ__PriorQuantity__c": "50", "SBQQ__Quantity__c": "57"}
    receive(QUOTE, again)
    one, two = Amendment.objects.order_by("generation")
    # 306 of 365 days: 57 seats cost 14335.89; of the 14589.04 that were charged for 355 days,
    # 306 days are credited with 12575.34
    assert one.proration["debits"][f"a0L{1:015d}"]["amount"] == "14589.04"
    assert two.prorated_net == Decimal("1760.55")
    assert two.number == "00000101-A2"


@pytest.mark.parametrize("day", ["2026-11-09", "2027-11-10"])
def test_an_amendment_outside_its_contract_is_refused(receive: Receive, day: str) -> None:
    receive(QUOTE, quote())
    (done,) = receive(QUOTE, amendment(SBQQ__StartDate__c=day))
    assert (done.outcome, done.error_field) == ("refused", "start_date")
    assert f"takes effect on {day}" in done.error_message
    assert not Amendment.objects.exists()


def test_many_quotes_of_one_customer_share_it(receive: Receive) -> None:
    second = quote(
        Id="a0Q000000000009AAA", Name="Q-00009",
        Contract={"Id": "800000000000009AAA", "ContractNumber": "00000109"},
    )  # fmt: skip
    done = receive(QUOTE, quote(), second)
    assert [d.outcome for d in done] == ["created", "created"]
    assert (Customer.objects.count(), Order.objects.count()) == (1, 2)
    assert told("customer.created") == ["customer.created"]


def test_an_invoice_waits_for_its_contract_and_is_stored_once(receive: Receive) -> None:
    (early,) = receive(INVOICE, invoice())
    assert (early.outcome, early.waits_for) == ("waits", "contract:00000101")
    receive(QUOTE, quote())
    (done,) = receive(INVOICE, invoice())
    (paid,) = receive(INVOICE, invoice(status="paid"), version=2)
    assert [done.outcome, paid.outcome] == ["created", "unchanged"]
    found = Invoice.objects.get()
    assert (found.net, found.tax, found.gross) == (
        Decimal("18555.00"), Decimal("3525.45"), Decimal("22080.45"),
    )  # fmt: skip
    assert (found.status, found.invoice_date) == ("paid", dt.date(2026, 11, 21))
    seats, once = found.lines.all()
    assert (seats.service_start, seats.service_end) == (
        dt.date(2026, 11, 10), dt.date(2027, 11, 10),
    )  # fmt: skip
    assert (seats.tax_code, once.product.sku if once.product else "") == ("DE-VAT-19", "ONB-STD")
    assert found.tax_lines.get().rate == Decimal("0.19")
    assert told("invoice.created") == ["invoice.created"]


def test_an_invoice_that_does_not_add_up_is_refused(receive: Receive) -> None:
    receive(QUOTE, quote())
    (wrong,) = receive(INVOICE, invoice(total=2_208_044))
    assert (wrong.outcome, wrong.error_code) == ("refused", "malformed_payload")
    assert "does not add up" in wrong.error_message
    assert not Invoice.objects.exists()


def test_a_schedule_recognises_the_invoice_and_says_what_is_due(
    receive: Receive, actor: Actor, now: dt.datetime
) -> None:
    receive(QUOTE, quote())
    receive(INVOICE, invoice())
    found = Invoice.objects.get()
    with acting(actor):
        build_revenue_schedules([found.id], actor=actor, now=now)
        build_revenue_schedules([found.id], actor=actor, now=now)
    schedule = RevenueSchedule.objects.get()
    parts = list(schedule.lines.all())
    assert len(parts) == 13
    assert sum((part.amount for part in parts), Decimal(0)) == found.net
    # November: 21 of 365 days of the seats, and onboarding at once
    assert parts[0].amount == Decimal("690.41") + Decimal("6555.00")
    facts = invoice_facts([str(found.id)])[str(found.id)]
    assert Decimal(facts["schedule"]["due_now"]) == parts[0].amount
    assert facts["dimensions"]["department"] == "SALES-EMEA"


def test_an_order_is_booked_once(receive: Receive, actor: Actor, now: dt.datetime) -> None:
    receive(QUOTE, quote())
    order = Order.objects.get()
    with acting(actor):
        book_orders([order.id], actor=actor, now=now)
        book_orders([order.id], actor=actor, now=now + dt.timedelta(hours=1))
    assert Order.objects.get().booked_at == now
    event = Event.objects.get(type="order.booked")
    assert event.data["signal"] == f"order_booked:{order.contract_id}"


def test_a_correction_stands_until_the_source_changes_that_field(
    receive: Receive, actor: Actor, now: dt.datetime
) -> None:
    receive(QUOTE, quote())
    customer = Customer.objects.get()
    correct_customer(
        customer_id=customer.id, changes={"state_code": "HH", "department": "SALES-EMEA"},
        version=1, reason="Missing on the account", actor=actor, now=now,
    )  # fmt: skip
    receive(QUOTE, quote(Department__c="OTHER"), version=2)
    corrected = Customer.objects.get()
    assert (corrected.state_code, corrected.department) == ("HH", "SALES-EMEA")
    with pytest.raises(StaleWriteError):
        correct_customer(
            customer_id=customer.id, changes={"city": "Kiel"}, version=1, reason="x",
            actor=actor, now=now,
        )  # fmt: skip
    with pytest.raises(RejectedError, match="cannot be corrected"):
        correct_customer(
            customer_id=customer.id, changes={"number": "C-1"}, reason="x", actor=actor, now=now
        )
