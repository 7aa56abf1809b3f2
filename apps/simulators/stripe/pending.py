"""Invoice items that wait for the next invoice of a subscription or customer."""

from __future__ import annotations

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.lines import Charge, pricing


def add_pending(
    account: Account, customer: str, charge: Charge, subscription: str | None
) -> Document:
    """Keep a charge as an invoice item and announce it."""
    item = account.save(
        {
            "id": charge.invoice_item or new_id("invoiceitem"),
            "object": "invoiceitem",
            "amount": charge.amount,
            "net_amount": charge.amount,
            "currency": charge.currency,
            "customer": customer,
            "date": account.now(),
            "description": charge.description,
            "discountable": not charge.proration,
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": charge.metadata,
            "parent": _parent(charge, subscription),
            "period": {"start": charge.start, "end": charge.end},
            "pricing": pricing(charge),
            "proration": charge.proration,
            "proration_details": _proration_details(charge),
            "quantity": charge.quantity,
            "quantity_decimal": str(charge.quantity),
            "tax_rates": list(charge.tax_rates),
            "test_clock": None,
            "_subscription": subscription,
            "_item": charge.item,
            "_price": charge.price,
            "_credited": charge.credited,
        }
    )
    account.emit("invoiceitem.created", item)
    return item


def pending_of(account: Account, subscription: Document) -> list[Charge]:
    """The charges that wait for this subscription's next invoice."""
    return _waiting(account.store.find("invoiceitem", "_subscription", subscription["id"]))


def pending_of_customer(account: Account, customer: str) -> list[Charge]:
    """The charges that wait for this customer outside any subscription."""
    items = account.store.find("invoiceitem", "customer", customer)
    return _waiting([item for item in items if item["_subscription"] is None])


def _waiting(items: list[Document]) -> list[Charge]:
    return [charge_of(item) for item in items if item["invoice"] is None]


def charge_of(item: Document) -> Charge:
    return Charge(
        amount=item["amount"],
        currency=item["currency"],
        description=item["description"],
        start=item["period"]["start"],
        end=item["period"]["end"],
        price=item["_price"],
        quantity=item["quantity"],
        item=item["_item"],
        subscription=item["_subscription"],
        invoice_item=item["id"],
        proration=item["proration"],
        credited=item["_credited"],
        tax_rates=tuple(item["tax_rates"]),
        metadata=item["metadata"],
    )


def _parent(charge: Charge, subscription: str | None) -> Document | None:
    if subscription is None:
        return None
    return {
        "type": "subscription_details",
        "subscription_details": {"subscription": subscription, "subscription_item": charge.item},
    }


def _proration_details(charge: Charge) -> Document | None:
    if not charge.proration:
        return None
    credited = charge.credited and {
        "type": "invoice_line_items",
        "invoice_item": None,
        "invoice_line_item_details": charge.credited,
    }
    return {"credited_items": credited, "discount_amounts": []}
