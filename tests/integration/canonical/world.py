"""Documents as the platforms send them, with the value maps that an installation of them has."""

import json
import uuid
from pathlib import Path
from typing import Any

from apps import mappings
from apps.mappings.types import MappingSpec, RowDraft

CONNECTION = uuid.UUID("00000000-0000-7000-8000-00000000c001")
SKUS = ("SUITE-ENT", "SEAT-PRO", "STORAGE-TB", "ONB-STD")
PLAIN = {
    "entities.salesforce": ("US01", "DE01", "JP01"),
    "entities.netsuite": ("US01", "DE01", "JP01"),
    "currencies.netsuite": ("USD", "EUR", "GBP", "JPY"),
    "departments.netsuite": ("SALES-EMEA",),
    "classes.netsuite": ("PLATFORM", "SERVICES", "USAGE"),
    "locations.netsuite": ("BER",),
    "products.netsuite": SKUS,
    "tax_codes.netsuite": ("DE-VAT-19",),
}
OTHER = {
    "frequencies.salesforce": {"Annual": "annual", "Monthly": "monthly"},
    "products.stripe": {sku: f"prod_{sku.lower()}" for sku in SKUS},
    "tax_codes.stripe": {"DE-VAT-19": "txr_19"},
    "accounts.netsuite": {"revenue": "4000", "deferred_revenue": "2400", "contract_asset": "1300"},
}


def specs() -> list[MappingSpec]:
    """The field maps that ship with the hub, and value maps for these documents."""
    folder = Path(mappings.__file__).parent / "defaults"
    found = [
        MappingSpec(kind="field", **json.loads(file.read_text()))
        for file in sorted(folder.glob("*.json"))
    ]
    tables = {**{code: {v: v for v in values} for code, values in PLAIN.items()}, **OTHER}
    for code, rows in tables.items():
        source, target = code.split(".")
        pairs = [RowDraft(key, value) for key, value in rows.items()]
        found.append(MappingSpec(code, code, "value", source, target, rows=pairs))
    return found


def line(position: int, sku: str, quantity: str, price: str, **more: Any) -> dict[str, Any]:
    """A quote line as SOQL shows it with its product."""
    once = sku == "ONB-STD"
    return {
        "Id": f"a0L{position:015d}",
        "SBQQ__Number__c": str(position + 1),
        "SBQQ__Product__c": f"01t{sku}",
        "SBQQ__Product__r": {
            "Id": f"01t{sku}", "Name": sku.title(), "ProductCode": sku, "Family": "PLATFORM",
            "SBQQ__TaxCode__c": "saas", "SystemModstamp": "2026-11-01T08:00:00.000+0000",
        },
        "SBQQ__ChargeType__c": "One-Time" if once else "Recurring",
        "SBQQ__BillingFrequency__c": (
            None if once else "Monthly" if sku == "STORAGE-TB" else "Annual"
        ),
        "SBQQ__Quantity__c": quantity,
        "SBQQ__PriorQuantity__c": None,
        "SBQQ__ListPrice__c": price,
        "SBQQ__NetPrice__c": price,
        "SBQQ__NetTotal__c": str(int(quantity) * int(price)),
        "SBQQ__RequiredBy__c": None,
        "SBQQ__Bundle__c": sku == "SUITE-ENT",
        "Region__c": "BER",
        **more,
    }  # fmt: skip


def quote(**changes: Any) -> dict[str, Any]:
    """An accepted and approved quote of DE01 with a bundle, a monthly and a one-time line."""
    lines = [
        line(0, "SUITE-ENT", "1", "0"),
        line(1, "SEAT-PRO", "40", "300", SBQQ__RequiredBy__c=f"a0L{0:015d}"),
        line(2, "STORAGE-TB", "10", "43"),
        line(3, "ONB-STD", "1", "6555"),
    ]
    return {
        "Id": "a0Q000000000001AAA",
        "Name": "Q-00001",
        "SystemModstamp": "2026-11-20T09:00:00.000+0000",
        "CurrencyIsoCode": "EUR",
        "Legal_Entity__c": "DE01",
        "SBQQ__Status__c": "Accepted",
        "SBQQ__Ordered__c": True,
        "SBQQ__Type__c": "Quote",
        "SBQQ__StartDate__c": "2026-11-10",
        "SBQQ__EndDate__c": "2027-11-09",
        "SBQQ__SubscriptionTerm__c": "12",
        "SBQQ__NetAmount__c": "18985",
        "SBQQ__PaymentTerms__c": "Net 30",
        "ApprovalStatus__c": "Approved",
        "ApprovedBy__c": "Dana Whitfield",
        "ApprovedOn__c": "2026-11-19T16:00:00.000+0000",
        "Department__c": "SALES-EMEA",
        "SBQQ__MasterContract__c": None,
        "Contract": {"Id": "800000000000001AAA", "ContractNumber": "00000101"},
        "SBQQ__Account__r": {
            "Id": "001000000000001AAA", "Name": "Bluefin Systems GmbH", "AccountNumber": "C-1017",
            "CurrencyIsoCode": "EUR", "Legal_Entity__c": "DE01", "VAT_ID__c": "DE811569869",
            "Billing_Email__c": "ap@bluefin.example", "BillingStreet": "26 Market Street",
            "BillingCity": "Hamburg", "BillingPostalCode": "20457", "BillingCountryCode": "DE",
            "BillingStateCode": None, "SystemModstamp": "2026-11-01T08:00:00.000+0000",
        },
        "lines": lines,
        **changes,
    }  # fmt: skip


def amendment(**changes: Any) -> dict[str, Any]:
    """An accepted amendment of that contract: ten more seats from 20 November."""
    seats = line(
        0, "SEAT-PRO", "50", "300", SBQQ__PriorQuantity__c="40", SBQQ__NetTotal__c="3000",
        Id="a0L000000000000077",
        SBQQ__UpgradedSubscription__r={"SBQQ__QuoteLine__c": f"a0L{1:015d}"},
    )  # fmt: skip
    return quote(
        **{
            "Id": "a0Q000000000002AAA", "Name": "Q-00002", "SBQQ__Type__c": "Amendment",
            "SBQQ__MasterContract__c": "800000000000001AAA", "Contract": None,
            "SBQQ__StartDate__c": "2026-11-20", "SBQQ__NetAmount__c": "3000", "lines": [seats],
            "SystemModstamp": "2026-11-21T09:00:00.000+0000", **changes,
        }
    )  # fmt: skip


def billed(position: int, sku: str, amount: int, start: int, end: int) -> dict[str, Any]:
    """An invoice line as Stripe shows it; amounts in cents."""
    return {
        "id": f"il_{position}", "amount": amount, "quantity": 1, "description": sku,
        "period": {"start": start, "end": end},
        "pricing": {"price_details": {"product": f"prod_{sku.lower()}"},
                    "unit_amount_decimal": str(amount)},
        "parent": {"subscription_item_details": {"proration": False}},
        "taxes": [{"amount": amount * 19 // 100, "taxable_amount": amount,
                   "tax_rate_details": {"tax_rate": "txr_19"}}],
    }  # fmt: skip


def invoice(**changes: Any) -> dict[str, Any]:
    """The first invoice of that contract: a year of seats, and onboarding at once."""
    start, end, issued = 1_794_268_800, 1_825_804_800, 1_795_219_200  # 10 Nov, a year, 21 Nov
    return {
        "id": "in_1", "number": "X7K2-0001", "status": "open", "currency": "eur",
        "created": issued, "effective_at": issued, "due_date": issued + 30 * 86_400,
        "total": 2_208_045, "total_excluding_tax": 1_855_500,
        "total_taxes": [{"amount": 352_545, "taxable_amount": 1_855_500,
                         "tax_rate_details": {"tax_rate": "txr_19"}}],
        "parent": {"subscription_details": {"subscription": "sub_1", "metadata":
                   {"hub_contract": "00000101", "legal_entity": "DE01"}}},
        "lines": {"data": [billed(0, "SEAT-PRO", 1_200_000, start, end),
                           billed(1, "ONB-STD", 655_500, issued, issued)]},
        **changes,
    }  # fmt: skip
