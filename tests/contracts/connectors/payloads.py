"""Payloads as the mappings hand them over, for one call of each operation."""

from collections.abc import Mapping
from typing import Any

CUSTOMER = {
    "name": "Nordwind Logistik GmbH",
    "email": "billing@nordwind.example",
    "address": {
        "line1": "Hafenstr. 1",
        "city": "Hamburg",
        "postal_code": "20457",
        "country": "DE",
    },
}


def stripe_customer(reference: str) -> Mapping[str, Any]:
    return {
        **CUSTOMER,
        "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}],
        "metadata": {"hub_id": f"id-{reference}", "hub_ref": reference, "legal_entity": "DE01"},
    }


def stripe_item(line: str, quantity: int, amount: str, interval: str) -> dict[str, Any]:
    return {
        "price_data": {
            "currency": "eur",
            "product": "prod_suite",
            "recurring": {"interval": interval, "interval_count": 1},
            "unit_amount_decimal": amount,
        },
        "quantity": quantity,
        "metadata": {"hub_line": line},
    }


def stripe_subscriptions(customer: str, start: int) -> Any:
    def build(reference: str) -> Mapping[str, Any]:
        parts = (("annual", "year", "120000", 5), ("monthly", "month", "4990.5", 2))
        return {
            "subscriptions": [
                {
                    "key": key,
                    "customer": customer,
                    "collection_method": "send_invoice",
                    "days_until_due": 30,
                    "backdate_start_date": start,
                    "items": [stripe_item(f"{key}-1", quantity, amount, interval)],
                    "metadata": {
                        "hub_ref": reference,
                        "hub_contract": "00000123",
                        "legal_entity": "DE01",
                    },
                }
                for key, interval, amount, quantity in parts
            ]
        }

    return build


def stripe_cancellation(subscriptions: list[Any]) -> Mapping[str, Any]:
    return {
        "comment": "Order ORD-1 was taken back",
        "subscriptions": [{"id": part["id"]} for part in subscriptions],
    }


def netsuite_customer(reference: str) -> Mapping[str, Any]:
    return {
        "externalId": f"C-{reference}",
        "entityId": f"C-{reference}",
        "companyName": f"Nordwind {reference}",
        "isPerson": False,
        "email": "billing@nordwind.example",
        "subsidiary": {"externalId": "DE01"},
        "currency": {"externalId": "EUR"},
        "custentity_hub_ref": reference,
        "addressBook": {
            "items": [
                {
                    "defaultBilling": True,
                    "label": "Billing",
                    "addressBookAddress": {"addr1": "Hafenstr. 1", "city": "Hamburg"},
                }
            ]
        },
    }


def netsuite_invoice(reference: str, **changes: Any) -> Mapping[str, Any]:
    line = {
        "item": {"externalId": "SUITE"},
        "quantity": "5",
        "rate": "1200.00",
        "amount": "6000.00",
        "department": {"externalId": "SALES"},
        "revRecStartDate": "2026-11-01",
        "revRecEndDate": "2027-10-31",
        "taxDetailsReference": "1",
    }
    tax = {
        "taxDetailsReference": "1",
        "taxCode": {"externalId": "DE-VAT-19"},
        "taxRate": "19",
        "taxBasis": "6000.00",
        "taxAmount": "1140.00",
    }
    return {
        "externalId": reference,
        "otherRefNum": f"NW-{reference}",
        "custbody_hub_ref": reference,
        "entity": {"externalId": "C-1"},
        "subsidiary": {"externalId": "DE01"},
        "currency": {"externalId": "EUR"},
        "tranDate": "2026-11-15",
        "department": {"externalId": "SALES"},
        "taxDetailsOverride": True,
        "item": {"items": [line]},
        "taxDetails": {"items": [tax]},
        **changes,
    }


def netsuite_credit(reference: str, invoice: str) -> Mapping[str, Any]:
    return {
        "createdFrom": {"id": invoice},
        "externalId": reference,
        "custbody_hub_ref": reference,
        "otherRefNum": f"NW-{reference}",
        "tranDate": "2026-11-20",
        "memo": f"Credit of {reference}",
    }


def netsuite_journal(reference: str) -> Mapping[str, Any]:
    department = {"department": {"externalId": "SALES"}}
    return {
        "externalId": reference,
        "custbody_hub_ref": reference,
        "subsidiary": {"externalId": "DE01"},
        "currency": {"externalId": "EUR"},
        "tranDate": "2026-11-30",
        "memo": "Revenue of November",
        "line": {
            "items": [
                {"account": {"externalId": "2400"}, "debit": "500.00", **department},
                {"account": {"externalId": "4000"}, "credit": "500.00", **department},
            ]
        },
    }


def entitlement(reference: str) -> Mapping[str, Any]:
    return {
        "reference": reference,
        "legal_entity": "DE01",
        "subscription": f"SUB-{reference}",
        "entitlements": [{"sku": "SUITE", "name": "Suite", "quantity": "5", "line": "1"}],
    }


def revocation(reference: str) -> Mapping[str, Any]:
    return {
        "reference": reference,
        "legal_entity": "DE01",
        "subscription": f"SUB-{reference}",
        "customer": {"number": "C-1", "name": "Nordwind"},
        "order": "ORD-1",
    }


NETSUITE_SEED: dict[str, Any] = {
    "currencies": [{"name": "EUR", "symbol": "EUR"}, {"name": "JPY", "symbol": "JPY"}],
    "subsidiaries": [{"externalId": "DE01", "name": "Hub GmbH", "currency": "EUR"}],
    "departments": [{"externalId": "SALES", "name": "Sales"}],
    "accounts": [
        {"externalId": "1100", "acctNumber": "1100", "acctName": "Receivables",
         "acctType": "AcctRec"},
        {"externalId": "4000", "acctNumber": "4000", "acctName": "Revenue", "acctType": "Income"},
        {"externalId": "2400", "acctNumber": "2400", "acctName": "Deferred",
         "acctType": "DeferRevenue"},
        {"externalId": "2200", "acctNumber": "2200", "acctName": "VAT", "acctType": "OthCurrLiab"},
    ],
    "taxTypes": [{"name": "VAT_DE"}],
    "taxCodes": [{"externalId": "DE-VAT-19", "itemId": "DE-VAT-19", "rate": "19",
                  "taxType": "VAT_DE", "taxAccount": "2200"}],
    "items": [{"externalId": "SUITE", "itemId": "SUITE", "incomeAccount": "4000",
               "deferredRevenueAccount": "2400"}],
    "periods": [{"month": "2026-09", "closed": True}, {"month": "2026-10"}, {"month": "2026-11"}],
}  # fmt: skip
