"""Customers: names, addresses, tax status, invoice numbering, credit balance."""

from __future__ import annotations

import secrets
import string

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import new_id
from apps.simulators.stripe.forms import BOOLEAN, INTEGER, METADATA, TEXT, TEXTS, choice, many
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.request import Operation, Request, merged_metadata

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
ADDRESS = shape(**dict.fromkeys(ADDRESS_FIELDS, TEXT))
TAX_EXEMPT = choice("none", "exempt", "reverse")

WRITABLE = {
    "address": ADDRESS,
    "balance": INTEGER,
    "business_name": TEXT,
    "description": TEXT,
    "email": TEXT,
    "expand": TEXTS,
    "individual_name": TEXT,
    "invoice_prefix": TEXT,
    "invoice_settings": shape(footer=TEXT, default_payment_method=TEXT),
    "metadata": METADATA,
    "name": TEXT,
    "next_invoice_sequence": INTEGER,
    "phone": TEXT,
    "preferred_locales": TEXTS,
    "shipping": shape(address=ADDRESS, name=TEXT, phone=TEXT),
    "tax_exempt": TAX_EXEMPT,
    "validate": BOOLEAN,
}
TAX_ID = shape("type", "value", type=TEXT, value=TEXT)
CREATE = shape(**WRITABLE, tax_id_data=many(TAX_ID))
UPDATE = shape(**WRITABLE)


def create_customer(request: Request) -> Document:
    account, form = request.account, request.form
    customer: Document = {
        "id": new_id("customer"),
        "object": "customer",
        "created": account.now(),
        "livemode": False,
        "balance": 0,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": _random_prefix(),
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        "metadata": {},
        "_tax_ids": form.get("tax_id_data") or [],
    }
    for name in ("address", "description", "email", "name", "phone"):
        customer[name] = None
    customer["invoice_settings"] = {"default_payment_method": None, "footer": None}
    account.save(_written(customer, form))
    created = account.fetch("customer", customer["id"])
    account.emit("customer.created", created)
    account.record("created", created)
    return created


def update_customer(request: Request) -> Document:
    account = request.account
    before = account.fetch("customer", request.id)
    after = account.save(_written(before, request.form))
    previous = {key: before[key] for key in after if before.get(key) != after[key]}
    if previous:
        account.emit("customer.updated", after, previous)
        account.record("updated", after)
    return after


def delete_customer(request: Request) -> Document:
    account = request.account
    customer = account.fetch("customer", request.id)
    account.store.delete("customer", request.id)
    account.emit("customer.deleted", customer)
    account.record("deleted", customer)
    return {"id": request.id, "object": "customer", "deleted": True}


def _written(customer: Document, form: Document) -> Document:
    plain = {
        key: value
        for key, value in form.items()
        if key not in ("metadata", "address", "expand", "validate", "tax_id_data")
    }
    changed = {**customer, **plain}
    changed["metadata"] = merged_metadata(customer["metadata"], form.get("metadata"))
    if "address" in form:
        address = form["address"]
        changed["address"] = address and {n: address.get(n) for n in ADDRESS_FIELDS}
    return changed


def _random_prefix() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(8))


CREATE_OPERATION = Operation(create_customer, CREATE)
UPDATE_OPERATION = Operation(update_customer, UPDATE)
DELETE_OPERATION = Operation(delete_customer, shape())
