"""Products, prices and tax rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.forms import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    METADATA,
    TEXT,
    TEXTS,
    choice,
)
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.request import Operation, Request, merged_metadata

RECURRING = shape(
    "interval",
    interval=choice("day", "week", "month", "year"),
    interval_count=INTEGER,
    usage_type=choice("licensed", "metered"),
)
TAX_BEHAVIOR = choice("exclusive", "inclusive", "unspecified")
_PRODUCT = {
    "active": BOOLEAN,
    "description": TEXT,
    "expand": TEXTS,
    "metadata": METADATA,
    "name": TEXT,
    "statement_descriptor": TEXT,
    "tax_code": TEXT,
    "unit_label": TEXT,
    "url": TEXT,
}
_PRICE = {
    "active": BOOLEAN,
    "expand": TEXTS,
    "lookup_key": TEXT,
    "metadata": METADATA,
    "nickname": TEXT,
    "tax_behavior": TAX_BEHAVIOR,
    "transfer_lookup_key": BOOLEAN,
}
_TAX_RATE = {
    "active": BOOLEAN,
    "country": TEXT,
    "description": TEXT,
    "display_name": TEXT,
    "expand": TEXTS,
    "jurisdiction": TEXT,
    "metadata": METADATA,
    "state": TEXT,
    "tax_type": TEXT,
}


def create_product(request: Request) -> Document:
    account, form = request.account, request.form
    key = form.get("id") or new_id("product")
    if account.store.get("product", key):
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    product: Document = {
        "id": key,
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": account.now(),
        "url": None,
    }
    return _stored(account, product, form, "created")


def create_price(request: Request) -> Document:
    form = request.form
    if not form.get("product"):
        raise StripeError(
            "Missing required param: product.", code="parameter_missing", param="product"
        )
    return build_price(request.account, form)


def build_price(account: Account, form: Document, *, active: bool = True) -> Document:
    """A price from parameters of POST /v1/prices or from inline `price_data`."""
    account.refer("product", form["product"], "product")
    unit = _unit_amount(form)
    recurring = form.get("recurring")
    price: Document = {
        "id": new_id("price"),
        "object": "price",
        "active": active,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": form["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": form["product"],
        "recurring": _recurring(recurring),
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": int(unit) if unit == unit.to_integral_value() else None,
        "unit_amount_decimal": format(unit.normalize(), "f"),
    }
    settable = {name: form[name] for name in _PRICE if name in form}
    return _stored(account, price, settable, "created")


def _recurring(form: Document | None) -> Document | None:
    if form is None:
        return None
    return {
        "interval": form["interval"],
        "interval_count": form.get("interval_count") or 1,
        "meter": None,
        "trial_period_days": None,
        "usage_type": form.get("usage_type") or "licensed",
    }


def _unit_amount(form: Document) -> Decimal:
    exact, whole = form.get("unit_amount_decimal"), form.get("unit_amount")
    if (exact is None) == (whole is None):
        raise StripeError(
            "You must specify exactly one of unit_amount or unit_amount_decimal.",
            code="parameter_missing",
            param="unit_amount",
        )
    return Decimal(str(whole if exact is None else exact))


def create_tax_rate(request: Request) -> Document:
    account, form = request.account, request.form
    tax_rate: Document = {
        "id": new_id("tax_rate"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": account.now(),
        "description": None,
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": form["inclusive"],
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": form["percentage"],
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
    return _stored(account, tax_rate, form, "created")


def update_operation(kind: str) -> Operation:
    shapes = {"product": _PRODUCT, "price": _PRICE, "tax_rate": _TAX_RATE}

    def handler(request: Request) -> Document:
        before = request.account.fetch(kind, request.id)
        return _stored(request.account, before, request.form, "updated")

    return Operation(handler, shape(**shapes[kind]))


def _stored(account: Account, document: Document, form: dict[str, Any], verb: str) -> Document:
    changes = {
        key: value
        for key, value in form.items()
        if key not in ("metadata", "expand", "transfer_lookup_key")
    }
    metadata = merged_metadata(document["metadata"], form.get("metadata"))
    saved = account.save({**document, **changes, "metadata": metadata})
    account.emit(f"{document['object']}.{verb}", saved)
    account.record(verb, saved)
    return saved


CREATE_PRODUCT = Operation(
    create_product, shape("name", id=TEXT, type=choice("good", "service"), **_PRODUCT)
)
CREATE_PRICE = Operation(
    create_price,
    shape(
        "currency",
        billing_scheme=choice("per_unit"),
        currency=TEXT,
        product=TEXT,
        recurring=RECURRING,
        unit_amount=INTEGER,
        unit_amount_decimal=DECIMAL,
        **_PRICE,
    ),
)
CREATE_TAX_RATE = Operation(
    create_tax_rate,
    shape(
        "display_name",
        "inclusive",
        "percentage",
        inclusive=BOOLEAN,
        percentage=DECIMAL,
        **_TAX_RATE,
    ),
)
