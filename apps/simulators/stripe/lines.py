"""Invoice lines: what is charged or credited, and the tax on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.money import to_minor
from apps.simulators.stripe.account import new_id

HUNDRED = Decimal(100)
TIMES = "\u00d7"  # as Stripe writes quantities


@dataclass(frozen=True, slots=True)
class Charge:
    """One future line. `amount` is in minor units and negative for a credit."""

    amount: int
    currency: str
    description: str | None
    start: int
    end: int
    price: Document | None = None
    quantity: int = 1
    item: str | None = None
    subscription: str | None = None
    invoice_item: str | None = None
    proration: bool = False
    credited: Document | None = None  # {"invoice", "invoice_line_items"} of the debit
    tax_rates: tuple[Document, ...] = ()
    metadata: Document = field(default_factory=dict)


def price_amount(price: Document, quantity: int, fraction: Decimal = Decimal(1)) -> int:
    """Unit price x quantity x part of the period, rounded half-up once per line."""
    return to_minor(Decimal(price["unit_amount_decimal"]) * quantity * fraction)


def build_line(charge: Charge, invoice: str, tax_exempt: str) -> Document:
    return {
        "id": new_id("line_item"),
        "object": "line_item",
        "amount": charge.amount,
        "currency": charge.currency,
        "description": charge.description,
        "discount_amounts": [],
        "discountable": not charge.proration,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": charge.metadata,
        "parent": _parent(charge),
        "period": {"start": charge.start, "end": charge.end},
        "pretax_credit_amounts": [],
        "pricing": pricing(charge),
        "quantity": charge.quantity,
        "quantity_decimal": str(charge.quantity),
        "subscription": charge.subscription,
        "subtotal": charge.amount,
        "taxes": [tax_on(charge.amount, rate, tax_exempt) for rate in charge.tax_rates],
    }


def tax_on(amount: int, rate: Document, tax_exempt: str) -> Document:
    """Tax of one line at one rate, rounded half-up per line to the minor unit."""
    percentage = Decimal(rate["percentage"])
    inclusive = rate["inclusive"]
    taxed = tax_exempt not in ("exempt", "reverse")
    if not taxed:
        tax = 0
    elif inclusive:
        tax = to_minor(amount * percentage / (HUNDRED + percentage))
    else:
        tax = to_minor(amount * percentage / HUNDRED)
    reasons = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
    return {
        "amount": tax,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": reasons.get(tax_exempt, "not_available"),
        "taxable_amount": amount - (tax if inclusive else 0) if taxed else 0,
        "type": "tax_rate_details",
    }


def total_taxes(taxes: list[Document]) -> list[Document]:
    """Taxes of all lines added up by rate."""
    totals: dict[str, Document] = {}
    for tax in taxes:
        key = tax["tax_rate_details"]["tax_rate"]
        known = totals.get(key)
        if known is None:
            totals[key] = dict(tax)
        else:
            known["amount"] += tax["amount"]
            known["taxable_amount"] += tax["taxable_amount"]
    return list(totals.values())


def _parent(charge: Charge) -> Document:
    details: dict[str, Any] = {
        "invoice_item": charge.invoice_item,
        "proration": charge.proration,
        "proration_details": {"credited_items": charge.credited},
        "subscription": charge.subscription,
    }
    if charge.item is None:
        return {
            "type": "invoice_item_details",
            "invoice_item_details": details,
            "subscription_item_details": None,
        }
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {**details, "subscription_item": charge.item},
    }


def pricing(charge: Charge) -> Document | None:
    """The pricing hash of a line or invoice item; None for a plain amount."""
    if charge.price is None:
        return None
    return {
        "type": "price_details",
        "price_details": {"price": charge.price["id"], "product": charge.price["product"]},
        "unit_amount_decimal": charge.price["unit_amount_decimal"],
    }
