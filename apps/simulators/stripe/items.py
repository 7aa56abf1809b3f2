"""Subscription items: their price, quantity, tax rates and what they have been billed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.money import to_minor
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.catalog import RECURRING, TAX_BEHAVIOR, build_price
from apps.simulators.stripe.currencies import major_text
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.forms import BOOLEAN, DECIMAL, INTEGER, METADATA, TEXT, TEXTS
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.lines import TIMES, Charge, price_amount
from apps.simulators.stripe.periods import Cycle, Period
from apps.simulators.stripe.rendering import public
from apps.simulators.stripe.request import merged_metadata

_PRICE_DATA = {
    "currency": TEXT,
    "product": TEXT,
    "tax_behavior": TAX_BEHAVIOR,
    "unit_amount": INTEGER,
    "unit_amount_decimal": DECIMAL,
}
RECURRING_PRICE_DATA = shape(
    "currency", "product", "recurring", recurring=RECURRING, **_PRICE_DATA
)
ONE_TIME_PRICE_DATA = shape("currency", "product", **_PRICE_DATA)
_ITEM = {
    "metadata": METADATA,
    "price": TEXT,
    "price_data": RECURRING_PRICE_DATA,
    "quantity": INTEGER,
    "tax_rates": TEXTS,
}
NEW_ITEM = shape(**_ITEM)
CHANGED_ITEM = shape(id=TEXT, deleted=BOOLEAN, clear_usage=BOOLEAN, **_ITEM)
INVOICE_ITEM = shape(
    metadata=METADATA,
    period=shape(
        "start",
        "end",
        start=shape(type=TEXT, timestamp=INTEGER),
        end=shape(type=TEXT, timestamp=INTEGER),
    ),
    price=TEXT,
    price_data=ONE_TIME_PRICE_DATA,
    quantity=INTEGER,
    tax_rates=TEXTS,
)


@dataclass(frozen=True, slots=True)
class Debit:
    """What an item was charged for a span of time and has not been credited for."""

    invoice: str | None
    line: str | None
    amount: int
    start: int
    end: int
    quantity: int
    price: str
    tax_rates: tuple[str, ...]
    invoice_item: str | None = None

    def unused(self, moment: int) -> int:
        """The part of the amount that falls after `moment`, to the second, half-up."""
        left = Decimal(self.end - moment) / Decimal(self.end - self.start)
        return to_minor(self.amount * left)


def new_item(account: Account, form: Document, subscription: str, where: str) -> Document:
    """An item without a period yet. Raises StripeError for a bad price or quantity."""
    price = resolve_price(account, form, where)
    if price["type"] != "recurring":
        raise StripeError(
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
            param=f"{where}[price]",
        )
    return {
        "id": new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "current_period_start": 0,
        "current_period_end": 0,
        "discounts": [],
        "metadata": merged_metadata({}, form.get("metadata")),
        "plan": _plan(price),
        "price": public(price),
        "quantity": _quantity(form, 1),
        "subscription": subscription,
        "tax_rates": tax_rates(account, form.get("tax_rates"), f"{where}[tax_rates]"),
    }


def changed_item(account: Account, item: Document, form: Document, where: str) -> Document:
    """The item with a form's changes; its period is untouched."""
    changed = {**item, "quantity": _quantity(form, item["quantity"])}
    if form.get("price") or form.get("price_data"):
        price = resolve_price(account, form, where)
        changed |= {"price": public(price), "plan": _plan(price)}
    if "tax_rates" in form:
        changed["tax_rates"] = tax_rates(account, form["tax_rates"], f"{where}[tax_rates]")
    changed["metadata"] = merged_metadata(item["metadata"], form.get("metadata"))
    return changed


def resolve_price(account: Account, form: Document, where: str) -> Document:
    """The named price, or an inline one made from `price_data`."""
    if form.get("price"):
        return account.refer("price", form["price"], f"{where}[price]")
    if form.get("price_data"):
        return build_price(account, form["price_data"], active=False)
    raise StripeError(
        f"Missing required param: {where}[price].",
        code="parameter_missing",
        param=f"{where}[price]",
    )


def tax_rates(account: Account, keys: list[str] | None, param: str) -> list[Document]:
    found = [account.refer("tax_rate", key, param) for key in keys or []]
    inactive = next((rate for rate in found if not rate["active"]), None)
    if inactive:
        raise StripeError(f"The tax rate {inactive['id']} is not active.", param=param)
    return [public(rate) for rate in found]


def cycle_of(item: Document) -> Cycle:
    recurring = item["price"]["recurring"]
    return Cycle(recurring["interval"], recurring["interval_count"])


def period_charge(
    item: Document, period: Period, rates: list[Document], metadata: Document, name: str
) -> Charge:
    """The charge of an item for a natural cycle, or for the rest of one."""
    fraction = Decimal(period.end - period.start) / Decimal(period.end - period.cycle_start)
    price, quantity = item["price"], item["quantity"]
    return Charge(
        amount=price_amount(price, quantity, fraction),
        currency=price["currency"],
        description=_describe(item, name),
        start=period.start,
        end=period.end,
        price=price,
        quantity=quantity,
        item=item["id"],
        subscription=item["subscription"],
        proration=period.is_partial,
        tax_rates=tuple(item["tax_rates"] or rates),
        metadata=metadata,
    )


def debit_from(line: Document) -> Debit | None:
    """What a line of an invoice leaves to be credited; None for credits and one-offs."""
    details = line["parent"]["subscription_item_details"]
    if details is None or line["amount"] <= 0:
        return None
    return Debit(
        invoice=line["invoice"],
        line=line["id"],
        amount=line["amount"],
        start=line["period"]["start"],
        end=line["period"]["end"],
        quantity=line["quantity"],
        price=line["pricing"]["price_details"]["price"],
        tax_rates=tuple(tax["tax_rate_details"]["tax_rate"] for tax in line["taxes"]),
        invoice_item=details["invoice_item"],
    )


def _describe(item: Document, name: str) -> str:
    price = item["price"]
    interval, count = price["recurring"]["interval"], price["recurring"]["interval_count"]
    unit = major_text(price["unit_amount"] or 0, price["currency"])
    every = interval if count == 1 else f"{count} {interval}s"
    return f"{item['quantity']} {TIMES} {name} (at {unit} {price['currency'].upper()} / {every})"


def _quantity(form: Document, default: int) -> int:
    quantity = form.get("quantity")
    if quantity is None:
        return default
    if quantity < 0:
        raise StripeError(
            "Invalid integer: quantity must be greater than or equal to 0.",
            code="parameter_invalid_integer",
            param="quantity",
        )
    return int(quantity)


def _plan(price: Document) -> Document:
    recurring: dict[str, Any] = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": False,
        "metadata": {},
        "nickname": None,
        "product": price["product"],
        "usage_type": "licensed",
    }
