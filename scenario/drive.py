"""What sales people, billing staff and networks do to the platforms during the demo."""

import datetime as dt
import hashlib
import hmac
import json
import os
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from scenario.hub import wait_until
from scenario.platforms import Platform, Salesforce
from scenario.world import PRODUCTS, Buyer, Deal, Line

APPROVER = "Dana Whitfield"


@dataclass
class CrmState:
    """Ids the CRM gave out, by our own keys."""

    accounts: dict[str, str] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    quotes: dict[str, str] = field(default_factory=dict)
    quote_names: dict[str, str] = field(default_factory=dict)


def approval() -> dict[str, str]:
    """What the deal desk enters when it approves a discount."""
    return {
        "ApprovalStatus__c": "Approved",
        "ApprovedBy__c": APPROVER,
        "ApprovedOn__c": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "DiscountApprovalReason__c": "Within the discount policy",
    }


class SalesTeam:
    """Keeps accounts and quotes in the CRM and lets customers accept them."""

    def __init__(self, today: dt.date) -> None:
        self.crm, self.today, self.state = Salesforce(), today, CrmState()

    def stock_catalogue(self) -> None:
        """Enter the products; a product that is there already is kept."""
        found = self.crm.query("SELECT Id, ProductCode FROM Product2")
        self.state.products = {row["ProductCode"]: row["Id"] for row in found}
        for sku, product in PRODUCTS.items():
            if sku not in self.state.products:
                self.state.products[sku] = self.crm.create(
                    "Product2",
                    Name=product["name"],
                    ProductCode=sku,
                    StockKeepingUnit=sku,
                    Family=product["class"],
                    SBQQ__TaxCode__c=product["tax"],
                    SBQQ__ChargeType__c=product["charge"],
                    SBQQ__BillingFrequency__c=product["frequency"],
                    SBQQ__SubscriptionPricing__c=_pricing(product),
                )

    def account(self, buyer: Buyer) -> str:
        """The customer's account id, entered on first use."""
        if buyer.number not in self.state.accounts:
            self.state.accounts[buyer.number] = self.crm.create(
                "Account",
                Name=buyer.name,
                AccountNumber=buyer.number,
                CurrencyIsoCode=buyer.currency,
                Legal_Entity__c=buyer.entity,
                VAT_ID__c=buyer.vat_id or None,
                Billing_Email__c=f"ap@{buyer.number.lower()}.example",
                BillingStreet=buyer.street,
                BillingCity=buyer.city,
                BillingStateCode=buyer.state or None,
                BillingPostalCode=buyer.postal_code,
                BillingCountryCode=buyer.country,
            )
        return self.state.accounts[buyer.number]

    def quote(self, deal: Deal, *, department: str | None = None, **changes: Any) -> str:
        """Draft a quote with its lines; returns its id."""
        start = self.today - dt.timedelta(days=deal.start_days_ago)
        values = {
            "SBQQ__Account__c": self.account(deal.buyer),
            "CurrencyIsoCode": deal.buyer.currency,
            "Legal_Entity__c": deal.buyer.entity,
            "SBQQ__StartDate__c": start.isoformat(),
            "SBQQ__EndDate__c": (_plus_year(start) - dt.timedelta(days=1)).isoformat(),
            "SBQQ__SubscriptionTerm__c": deal.term_months,
            "SBQQ__PaymentTerms__c": "Net 30",
            "Department__c": deal.buyer.department if department is None else department or None,
            **changes,
        }
        quote_id = self.crm.create("SBQQ__Quote__c", **values)
        self.state.quotes[deal.key] = quote_id
        line_ids: list[str] = []
        for position, line in enumerate(deal.lines):
            line_ids.append(self._line(quote_id, position, line, line_ids, deal.buyer))
        return quote_id

    def _line(
        self, quote_id: str, position: int, line: Line, before: list[str], buyer: Buyer
    ) -> str:
        product = PRODUCTS[line.sku]
        parent = before[line.parent] if line.parent is not None else None
        return self.crm.create(
            "SBQQ__QuoteLine__c",
            SBQQ__Quote__c=quote_id,
            SBQQ__Product__c=self.state.products[line.sku],
            SBQQ__Number__c=position + 1,
            SBQQ__Quantity__c=line.quantity,
            SBQQ__ListPrice__c=product["price"][buyer.currency],
            SBQQ__NetPrice__c=str(line.unit_price),
            SBQQ__ChargeType__c=product["charge"],
            SBQQ__BillingFrequency__c=product["frequency"],
            SBQQ__SubscriptionPricing__c=_pricing(product),
            SBQQ__RequiredBy__c=parent,
            SBQQ__Bundle__c="bundle" in product,
            Region__c=buyer.region,
            CurrencyIsoCode=buyer.currency,
        )

    def approve(self, quote_id: str) -> None:
        """The deal desk approves the discount."""
        self.crm.update("SBQQ__Quote__c", quote_id, **approval(), SBQQ__Status__c="Approved")

    def accept(self, quote_id: str) -> None:
        """The customer accepts; the CRM makes order, contract and subscriptions."""
        self.crm.update(
            "SBQQ__Quote__c", quote_id, SBQQ__Status__c="Accepted", SBQQ__Ordered__c=True
        )

    def contract_of(self, quote_id: str) -> dict[str, Any]:
        found = self.crm.query(
            "SELECT Id, ContractNumber FROM Contract "  # noqa: S608 - an id of the CRM's own
            f"WHERE SBQQ__Quote__c = '{quote_id}'"
        )
        return found[0]

    def amend(self, deal: Deal, *, more_seats: int, days_ago: int) -> str:
        """Draft, approve and accept a mid-term upgrade of a deal's annual seats."""
        original = self.state.quotes[deal.key]
        contract = self.contract_of(original)
        rows = self.crm.query(
            "SELECT Id, SBQQ__Quantity__c, SBQQ__NetPrice__c, SBQQ__Product__c, "  # noqa: S608
            "SBQQ__Product__r.ProductCode FROM SBQQ__Subscription__c "
            f"WHERE SBQQ__Contract__c = '{contract['Id']}'"
        )
        seats = next(r for r in rows if r["SBQQ__Product__r"]["ProductCode"] == "SEAT-PRO")
        effective = self.today - dt.timedelta(days=days_ago)
        original_start = self.today - dt.timedelta(days=deal.start_days_ago)
        quote_id = self.crm.create(
            "SBQQ__Quote__c",
            SBQQ__Account__c=self.account(deal.buyer),
            SBQQ__Type__c="Amendment",
            SBQQ__MasterContract__c=contract["Id"],
            CurrencyIsoCode=deal.buyer.currency,
            Legal_Entity__c=deal.buyer.entity,
            SBQQ__StartDate__c=effective.isoformat(),
            SBQQ__EndDate__c=(_plus_year(original_start) - dt.timedelta(days=1)).isoformat(),
            SBQQ__SubscriptionTerm__c=12,
            Department__c=deal.buyer.department,
        )
        before = int(Decimal(str(seats["SBQQ__Quantity__c"])))
        self.crm.create(
            "SBQQ__QuoteLine__c",
            SBQQ__Quote__c=quote_id,
            SBQQ__Product__c=seats["SBQQ__Product__c"],
            SBQQ__Number__c=1,
            SBQQ__Quantity__c=before + more_seats,
            SBQQ__PriorQuantity__c=before,
            SBQQ__ListPrice__c=PRODUCTS["SEAT-PRO"]["price"][deal.buyer.currency],
            SBQQ__NetPrice__c=str(seats["SBQQ__NetPrice__c"]),
            SBQQ__ChargeType__c="Recurring",
            SBQQ__BillingFrequency__c="Annual",
            SBQQ__SubscriptionPricing__c="Fixed Price",
            SBQQ__UpgradedSubscription__c=seats["Id"],
            SBQQ__Existing__c=True,
            Region__c=deal.buyer.region,
            CurrencyIsoCode=deal.buyer.currency,
        )
        self.state.quotes[f"{deal.key}-A1"] = quote_id
        self.approve(quote_id)
        self.accept(quote_id)
        return quote_id


def _pricing(product: dict[str, Any]) -> str | None:
    """A recurring product is a subscription in CPQ; without this value it would be one-time."""
    return "Fixed Price" if product["charge"] == "Recurring" else None


def _plus_year(day: dt.date) -> dt.date:
    """The same day a year later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)


def stripe_signature(secret: str, body: bytes, at: int) -> str:
    """Stripe's webhook scheme: HMAC-SHA256 over "{t}.{raw body}"."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def send_malformed_invoice(secret: str) -> None:
    """A properly signed event whose invoice makes no sense; no such invoice exists."""
    invoice = {"id": "in_planted", "object": "invoice", "currency": 17, "number": None,
               "total": "twelve", "lines": "none"}  # fmt: skip
    _send_event(secret, "evt_planted", invoice)


def send_headless_invoice(secret: str, key: str) -> None:
    """A properly signed event of an invoice that exists, from which a relay cut the id off."""
    auth = {"Authorization": f"Bearer {key}"}
    stripe = Platform("stripe")

    def sold() -> list[dict[str, Any]]:
        page = stripe.call("GET", "/v1/invoices", params={"limit": 100}, headers=auth)
        return [i for i in page["data"] if i["parent"] and i["status"] == "open"]

    wait_until(sold, 60)
    invoice = {name: value for name, value in sold()[-1].items() if name != "id"}
    _send_event(secret, "evt_headless", invoice)


def _send_event(secret: str, name: str, invoice: dict[str, Any]) -> None:
    now = int(time.time())
    event = {
        "id": f"{name}{now}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": now,
        "type": "invoice.finalized",
        "data": {"object": invoice},
    }
    body = json.dumps(event).encode()
    answer = httpx.post(
        f"{os.environ['HUB_URL'].rstrip('/')}/webhooks/stripe/",
        content=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": stripe_signature(secret, body, now),
        },
        timeout=10,
    )
    answer.raise_for_status()


def bill_by_hand(
    stripe: Platform,
    key: str,
    *,
    customer: str,
    contract: str,
    entity: str,
    currency: str,
    tax_rate: str,
    day: dt.date,
) -> str:
    """Billing staff invoice a training day by hand and date it back; returns the invoice's id."""
    auth = {"Authorization": f"Bearer {key}"}
    noon = int(dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC).timestamp())
    invoice = stripe.call(
        "POST",
        "/v1/invoices",
        data={
            "customer": customer,
            "collection_method": "send_invoice",
            "days_until_due": "30",
            "effective_at": str(noon),
            "currency": currency,
            "metadata[hub_contract]": contract,
            "metadata[legal_entity]": entity,
        },
        headers=auth,
    )
    price = PRODUCTS["TRAIN-DAY"]["price"][currency.upper()]
    minor = int(Decimal(price) * (1 if currency == "jpy" else 100))
    stripe.call(
        "POST",
        "/v1/invoiceitems",
        data={
            "customer": customer,
            "invoice": invoice["id"],
            "quantity": "1",
            "price_data[currency]": currency,
            "price_data[product]": "prod_train_day",
            "price_data[unit_amount]": str(minor),
            "tax_rates[0]": tax_rate,
        },
        headers=auth,
    )
    stripe.call("POST", f"/v1/invoices/{invoice['id']}/finalize", headers=auth)
    return str(invoice["id"])
