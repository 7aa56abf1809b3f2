"""Which tax a sale carries, and what is wrong with a customer that has none."""

from decimal import Decimal

import pytest

from apps.connectors.vendors.ratetable.policies import quote_tax, treatment
from apps.core.errors import RejectedError

RATES = {
    "DE-VAT-19": "0.19", "EU-RC-0": "0", "EXPORT-0": "0", "JP-CT-10": "0.10",
    "US-NY": "0.08875",
}  # fmt: skip


def _request(seller, **customer):
    return {
        "seller_country": seller,
        "currency": "USD",
        "customer": {"name": "Acme", **customer},
        "lines": [{"position": 0, "net": "100.00"}, {"position": 1, "net": "0.99"}],
    }


@pytest.mark.parametrize(
    ("seller", "customer", "code"),
    [
        ("DE", {"country": "DE"}, "DE-VAT-19"),
        ("DE", {"country": "FR", "vat_id": "FR40303265045"}, "EU-RC-0"),
        ("DE", {"country": "NL", "vat_id": "nl 004495445 b01"}, "EU-RC-0"),
        ("DE", {"country": "GB"}, "EXPORT-0"),
        ("US", {"country": "US", "state_code": "ny"}, "US-NY"),
        ("US", {"country": "CA"}, "EXPORT-0"),
        ("JP", {"country": "JP"}, "JP-CT-10"),
    ],
)
def test_treatments(seller, customer, code):
    assert treatment(_request(seller, **customer), RATES).code == code


@pytest.mark.parametrize(
    ("seller", "customer", "field"),
    [
        ("US", {"country": "US", "state_code": "ZZ"}, "customer.state_code"),
        ("US", {"country": "US"}, "customer.state_code"),
        ("DE", {"country": "FR", "vat_id": "FR12"}, "customer.vat_id"),
        ("DE", {"country": "FR"}, "customer.vat_id"),
        ("DE", {}, "customer.country"),
    ],
)
def test_a_customer_at_fault_is_refused_with_the_field(seller, customer, field):
    with pytest.raises(RejectedError) as refused:
        treatment(_request(seller, **customer), RATES)
    assert (refused.value.facts.code, refused.value.facts.field) == (
        "tax_validation_failed",
        field,
    )


def test_tax_is_rounded_a_line():
    result = quote_tax(_request("US", country="US", state_code="NY"), RATES)
    assert [line["tax"] for line in result["lines"]] == ["8.88", "0.09"]
    assert Decimal(result["tax"]) == Decimal("8.97")
