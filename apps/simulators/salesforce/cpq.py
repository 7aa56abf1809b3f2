"""What the CPQ package does by itself: line formulas, quote roll-ups, orders, contracts."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal

from apps.simulators.core.codec import Document
from apps.simulators.core.money import round_half_up
from apps.simulators.salesforce.fields import SObject
from apps.simulators.salesforce.order_objects import (
    CONTRACT,
    OBJECTS,
    ORDER,
    ORDER_ITEM,
    SUBSCRIPTION,
)
from apps.simulators.salesforce.org import Org
from apps.simulators.salesforce.outbound import Announcements
from apps.simulators.salesforce.quote_objects import QUOTE, QUOTE_LINE

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = 2

# Fields that a line, order product or subscription takes over unchanged.
BILLING_FIELDS = (
    "SBQQ__BillingFrequency__c",
    "SBQQ__BillingType__c",
    "SBQQ__ChargeType__c",
    "SBQQ__SubscriptionPricing__c",
    "SBQQ__SubscriptionType__c",
    "SBQQ__ProrateMultiplier__c",
    "Region__c",
)
PRICE_FIELDS = (
    "SBQQ__ListPrice__c",
    "SBQQ__CustomerPrice__c",
    "SBQQ__NetPrice__c",
    "SBQQ__Discount__c",
    "SBQQ__Bundle__c",
    "SBQQ__Bundled__c",
)
FROM_PRODUCT = (
    "SBQQ__BillingFrequency__c",
    "SBQQ__BillingType__c",
    "SBQQ__ChargeType__c",
    "SBQQ__SubscriptionPricing__c",
    "SBQQ__SubscriptionType__c",
    "SBQQ__TaxCode__c",
)


class CpqTriggers:
    """Runs inside the same transaction as the write that caused it."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    def before_save(self, org: Org, sobject: SObject, record: Document) -> Document:
        if sobject.name == QUOTE_LINE.name:
            return _calculated_line(org, record)
        if sobject.name == ORDER_ITEM.name:
            total = (record["Quantity"] or ZERO) * (record["UnitPrice"] or ZERO)
            return {**record, "TotalPrice": round_half_up(total, CENT)}
        if sobject.name == SUBSCRIPTION.name:
            return {
                **record,
                "SBQQ__StartDate__c": record["SBQQ__SubscriptionStartDate__c"],
                "SBQQ__EndDate__c": record["SBQQ__TerminatedDate__c"]
                or record["SBQQ__SubscriptionEndDate__c"],
            }
        return record

    def after_save(
        self, org: Org, sobject: SObject, before: Document | None, after: Document
    ) -> None:
        if sobject.name == QUOTE_LINE.name:
            _roll_up(org, after["SBQQ__Quote__c"])
        if sobject.name == QUOTE.name:
            self._announcements.notice(before, after)
            if _is_newly_ordered(org, after):
                _make_order(org, after)


def _calculated_line(org: Org, line: Document) -> Document:
    """The package's defaults and formula fields of a quote line."""
    product = org.store.get("Product2", line["SBQQ__Product__c"]) or {}
    quote = org.store.get("SBQQ__Quote__c", line["SBQQ__Quote__c"]) or {}
    line = {**line}
    for name in FROM_PRODUCT:
        line[name] = line[name] if line[name] is not None else product.get(name)
    line["SBQQ__Quantity__c"] = (
        ONE if line["SBQQ__Quantity__c"] is None else line["SBQQ__Quantity__c"]
    )
    line["CurrencyIsoCode"] = quote.get("CurrencyIsoCode", line["CurrencyIsoCode"])
    line["SBQQ__NetPrice__c"] = _net_price(line)
    effective = line["SBQQ__Quantity__c"] - (line["SBQQ__PriorQuantity__c"] or ZERO)
    net, listed = line["SBQQ__NetPrice__c"], line["SBQQ__ListPrice__c"] or ZERO
    total = round_half_up(net * effective, CENT)
    return line | {
        "SBQQ__ProductCode__c": product.get("ProductCode"),
        "SBQQ__ProductName__c": product.get("Name"),
        "SBQQ__ProductFamily__c": product.get("Family"),
        "SBQQ__EffectiveQuantity__c": effective,
        "SBQQ__EffectiveStartDate__c": line["SBQQ__StartDate__c"]
        or quote.get("SBQQ__StartDate__c"),
        "SBQQ__EffectiveEndDate__c": line["SBQQ__EndDate__c"] or _end_of(quote),
        "SBQQ__CustomerPrice__c": line["SBQQ__CustomerPrice__c"] or net,
        "SBQQ__NetTotal__c": total,
        "SBQQ__CustomerTotal__c": total,
        "SBQQ__ListTotal__c": round_half_up(listed * effective, CENT),
    }


def _net_price(line: Document) -> Decimal:
    """The given net price, else list price less discount, prorated."""
    if line["SBQQ__NetPrice__c"] is not None:
        return Decimal(line["SBQQ__NetPrice__c"])
    price = line["SBQQ__ListPrice__c"] or ZERO
    price -= line["SBQQ__AdditionalDiscountAmount__c"] or ZERO
    price *= ONE - (line["SBQQ__Discount__c"] or ZERO) / 100
    prorated = price * (line["SBQQ__ProrateMultiplier__c"] or ONE)
    return round_half_up(prorated, CENT)


def _roll_up(org: Org, quote_id: str) -> None:
    """Summary fields of the quote; a system write that also moves its SystemModstamp."""
    lines = _lines_of(org, quote_id)
    quote = org.find(QUOTE, quote_id)
    org.write(
        QUOTE,
        quote,
        {
            "SBQQ__NetAmount__c": sum((x["SBQQ__NetTotal__c"] for x in lines), ZERO),
            "SBQQ__CustomerAmount__c": sum((x["SBQQ__CustomerTotal__c"] for x in lines), ZERO),
            "SBQQ__ListAmount__c": sum((x["SBQQ__ListTotal__c"] for x in lines), ZERO),
            "SBQQ__LineItemCount__c": Decimal(len(lines)),
        },
    )


def _lines_of(org: Org, quote_id: str) -> list[Document]:
    field = QUOTE_LINE.fields["SBQQ__Quote__c"]
    lines = org.find_by(QUOTE_LINE, field, quote_id)
    return sorted(lines, key=lambda line: (line["SBQQ__Number__c"] or ZERO, line["Id"]))


def _is_newly_ordered(org: Org, quote: Document) -> bool:
    accepted = quote["SBQQ__Status__c"] == "Accepted" and quote["SBQQ__Ordered__c"]
    return bool(accepted) and not org.find_by(ORDER, ORDER.fields["SBQQ__Quote__c"], quote["Id"])


def _make_order(org: Org, quote: Document) -> None:
    """Order, contract (unless an amendment of one), order products and subscriptions."""
    lines = [x for x in _lines_of(org, quote["Id"]) if x["SBQQ__EffectiveQuantity__c"] != 0]
    lines.sort(key=_depth)  # bundles before their components
    amended = quote["SBQQ__MasterContract__c"]
    order_id = org.insert(ORDER, _order(quote, lines, amended))
    contract_id = amended or org.insert(CONTRACT, _contract(quote, order_id))
    org.write(ORDER, org.find(ORDER, order_id), {"ContractId": contract_id})
    items: dict[str, str] = {}
    for line in lines:
        items[line["Id"]] = org.insert(
            ORDER_ITEM, _order_item(quote, line, order_id, contract_id, items)
        )
    made: dict[str, str] = {}
    for line in lines:
        if line["SBQQ__SubscriptionPricing__c"]:
            values = _subscription(org, quote, line, items[line["Id"]], contract_id)
            values["SBQQ__RequiredById__c"] = made.get(line["SBQQ__RequiredBy__c"] or "")
            made[line["Id"]] = _insert_subscription(org, values)


def _depth(line: Document) -> Decimal:
    nested = ONE if line["SBQQ__RequiredBy__c"] else ZERO
    return line["SBQQ__OptionLevel__c"] or nested


def _order(quote: Document, lines: list[Document], amended: str | None) -> Document:
    return {
        "AccountId": quote["SBQQ__Account__c"],
        "OpportunityId": quote["SBQQ__Opportunity2__c"],
        "EffectiveDate": quote["SBQQ__StartDate__c"],
        "EndDate": _end_of(quote),
        "Status": "Activated",
        "StatusCode": "Activated",
        "Type": "Amendment" if amended else "New",
        "TotalAmount": sum((line["SBQQ__NetTotal__c"] for line in lines), ZERO),
        "SBQQ__Quote__c": quote["Id"],
        "SBQQ__Contracted__c": True,
        "SBQQ__PaymentTerm__c": quote["SBQQ__PaymentTerms__c"],
        "Legal_Entity__c": quote["Legal_Entity__c"],
        "CurrencyIsoCode": quote["CurrencyIsoCode"],
    }


def _contract(quote: Document, order_id: str) -> Document:
    return {
        "AccountId": quote["SBQQ__Account__c"],
        "StartDate": quote["SBQQ__StartDate__c"],
        "EndDate": _end_of(quote),
        "ContractTerm": quote["SBQQ__SubscriptionTerm__c"],
        "Status": "Activated",
        "StatusCode": "Activated",
        "SBQQ__Quote__c": quote["Id"],
        "SBQQ__Order__c": order_id,
        "SBQQ__Opportunity__c": quote["SBQQ__Opportunity2__c"],
        "SBQQ__RenewalTerm__c": quote["SBQQ__RenewalTerm__c"],
        "Legal_Entity__c": quote["Legal_Entity__c"],
        "CurrencyIsoCode": quote["CurrencyIsoCode"],
    }


def _order_item(
    quote: Document, line: Document, order_id: str, contract_id: str, items: dict[str, str]
) -> Document:
    quantity = line["SBQQ__EffectiveQuantity__c"]
    return {
        "OrderId": order_id,
        "Product2Id": line["SBQQ__Product__c"],
        "ProductCode": line["SBQQ__ProductCode__c"],
        "Quantity": quantity,
        "UnitPrice": line["SBQQ__NetPrice__c"],
        "ListPrice": line["SBQQ__ListPrice__c"],
        "ServiceDate": line["SBQQ__EffectiveStartDate__c"],
        "EndDate": line["SBQQ__EffectiveEndDate__c"],
        "SBQQ__QuoteLine__c": line["Id"],
        "SBQQ__Contract__c": contract_id,
        "SBQQ__RequiredBy__c": items.get(line["SBQQ__RequiredBy__c"] or ""),
        "SBQQ__ContractAction__c": "Amend" if quote["SBQQ__MasterContract__c"] else "New",
        "SBQQ__Status__c": "Activated",
        "SBQQ__Activated__c": True,
        "SBQQ__Contracted__c": True,
        "SBQQ__OrderedQuantity__c": quantity,
        "SBQQ__QuotedQuantity__c": line["SBQQ__Quantity__c"],
        "SBQQ__SubscriptionTerm__c": line["SBQQ__SubscriptionTerm__c"],
        "SBQQ__TaxCode__c": line["SBQQ__TaxCode__c"],
        "CurrencyIsoCode": quote["CurrencyIsoCode"],
        **{name: line[name] for name in BILLING_FIELDS},
    }


def _subscription(
    org: Org, quote: Document, line: Document, item_id: str, contract_id: str
) -> Document:
    """A subscription row; that of an amendment is a delta and points to the revised one."""
    revised = line["SBQQ__UpgradedSubscription__c"]
    quantity = line["SBQQ__EffectiveQuantity__c"]
    return {
        "SBQQ__Contract__c": contract_id,
        "SBQQ__ContractNumber__c": org.find(CONTRACT, contract_id)["ContractNumber"],
        "SBQQ__Account__c": quote["SBQQ__Account__c"],
        "SBQQ__Product__c": line["SBQQ__Product__c"],
        "SBQQ__ProductName__c": line["SBQQ__ProductName__c"],
        "SBQQ__QuoteLine__c": line["Id"],
        "SBQQ__OriginalQuoteLine__c": line["Id"],
        "SBQQ__OrderProduct__c": item_id,
        "SBQQ__RevisedSubscription__c": revised,
        "SBQQ__RootId__c": _root_of(org, revised),
        "SBQQ__Quantity__c": quantity,
        "SBQQ__RenewalQuantity__c": quantity,
        "SBQQ__SubscriptionStartDate__c": line["SBQQ__EffectiveStartDate__c"],
        "SBQQ__SubscriptionEndDate__c": line["SBQQ__EffectiveEndDate__c"],
        "CurrencyIsoCode": quote["CurrencyIsoCode"],
        **{name: line[name] for name in (*BILLING_FIELDS, *PRICE_FIELDS)},
    }


def _insert_subscription(org: Org, values: Document) -> str:
    """Insert; a first subscription is its own root, and its order product points to it."""
    key = org.insert(SUBSCRIPTION, values)
    if values["SBQQ__RevisedSubscription__c"] is None:
        org.write(SUBSCRIPTION, org.find(SUBSCRIPTION, key), {"SBQQ__RootId__c": key})
    item = org.find(ORDER_ITEM, values["SBQQ__OrderProduct__c"])
    org.write(ORDER_ITEM, item, {"SBQQ__Subscription__c": key})
    return key


def _root_of(org: Org, revised: str | None) -> str | None:
    parent = org.store.get(OBJECTS["SBQQ__Subscription__c"].name, revised) if revised else None
    return None if parent is None else str(parent["SBQQ__RootId__c"] or parent["Id"])


def _end_of(quote: Document) -> str | None:
    """The quote's end date, or its start plus the subscription term in months less a day."""
    if quote.get("SBQQ__EndDate__c"):
        return str(quote["SBQQ__EndDate__c"])
    start, term = quote.get("SBQQ__StartDate__c"), quote.get("SBQQ__SubscriptionTerm__c")
    if not start or term is None:
        return None
    first = date.fromisoformat(start)
    year, month = divmod(first.year * 12 + first.month - 1 + int(term), 12)
    day = min(first.day, monthrange(year, month + 1)[1])
    return (date(year, month + 1, day) - timedelta(days=1)).isoformat()
