"""What must come next, without a database."""

import datetime as dt
from decimal import Decimal

import pytest

from apps.monitoring.policies import band_of, expected_next, expected_state
from apps.monitoring.types import GenerationFacts, InvoiceFacts

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _generation(number=0, **more):
    return GenerationFacts(**{"generation": number, "label": "ORD-1", "currency": "EUR",
                              "accepted_at": NOW, "bills_from": NOW, **more})  # fmt: skip


def _kinds(*generations):
    return [e.kind.removeprefix("expected_") for e in expected_next(generations)]


def test_what_is_there_is_not_expected():
    done = InvoiceFacts("INV-1", NOW, in_ledger=True, amount=Decimal(10))
    facts = _generation(subscribed=True, provisioned=True, settled=True, invoices=(done,))
    assert expected_next([facts]) == []


def test_an_invoice_that_is_not_in_the_ledger_is_named_with_its_own_deadline():
    invoice = InvoiceFacts("INV-1", NOW + HOUR, in_ledger=False, amount=Decimal(10))
    facts = _generation(subscribed=True, provisioned=True, settled=True, invoices=(invoice,))
    (expected,) = expected_next([facts])
    assert (expected.title, expected.due_at) == ("INV-1 in the ledger", NOW + 2 * HOUR)


def test_a_contract_that_starts_later_is_billed_later():
    start = NOW + dt.timedelta(days=10)
    due = {e.kind: e.due_at for e in expected_next([_generation(bills_from=start)])}
    assert due["expected_invoice"] == start + HOUR
    assert due["expected_subscription"] == NOW + dt.timedelta(minutes=15)


def test_an_amendment_expects_its_own_documents_and_amounts():
    facts = _generation(1, expected_net=Decimal("193.42"))
    assert _kinds(facts) == [
        "subscription", "entitlement", "booking", "invoice", "modification", "ledger",
    ]  # fmt: skip
    invoice = next(e for e in expected_next([facts]) if e.kind == "expected_invoice")
    assert (invoice.title, invoice.amount) == ("Proration invoice", Decimal("193.42"))


def test_an_amendment_that_charges_nothing_is_not_invoiced():
    assert _kinds(_generation(1, expects_invoice=False)) == [
        "subscription", "entitlement", "booking",
    ]  # fmt: skip


def test_generations_are_merged_by_deadline():
    later = _generation(1, accepted_at=NOW + dt.timedelta(minutes=5), expects_invoice=False)
    first = _generation(provisioned=True, settled=True, expects_invoice=False)
    assert [(e.generation, e.kind) for e in expected_next([later, first])][:2] == [
        (0, "expected_subscription"),
        (1, "expected_subscription"),
    ]


@pytest.mark.parametrize(
    ("due", "state"), [(-1, "late"), (0, "soon"), (240, "soon"), (241, "expected")]
)
def test_states_of_what_is_expected(due, state):
    assert expected_state(NOW + dt.timedelta(minutes=due), NOW) == state


@pytest.mark.parametrize(
    ("where", "band"),
    [
        (("hub", "check_references"), ("cpq", "billing")),
        (("billing", "subscription"), ("cpq", "billing")),
        (("billing", "schedule", "invoice_posting"), ("billing", "tax")),
        (("tax", "tax"), ("billing", "tax")),
        (("provisioning", "provisioned"), ("billing", "provisioning")),
        (("cpq", "book"), ("provisioning", "erp")),
        (("erp", "invoice_in_erp"), ("tax", "erp")),
    ],
)
def test_each_place_in_the_flow_has_a_band(where, band):
    assert band_of(*where) == band
