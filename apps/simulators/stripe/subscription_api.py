"""Endpoints of subscriptions and their items."""

from __future__ import annotations

from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account
from apps.simulators.stripe.changes import apply_update, credit_all, update_subscription
from apps.simulators.stripe.errors import missing
from apps.simulators.stripe.forms import BOOLEAN, INTEGER, METADATA, TEXT, TEXTS, choice, many
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.items import CHANGED_ITEM, INVOICE_ITEM, NEW_ITEM
from apps.simulators.stripe.listing import PAGING, paged
from apps.simulators.stripe.pending import add_pending
from apps.simulators.stripe.request import Operation, Request
from apps.simulators.stripe.subscriptions import bill, cancel, create_subscription, terms_of

PRORATION = choice("always_invoice", "create_prorations", "none")
_COMMON: dict[str, Any] = {
    "add_invoice_items": many(INVOICE_ITEM),
    "automatic_tax": shape(enabled=BOOLEAN),
    "cancel_at": INTEGER,
    "cancel_at_period_end": BOOLEAN,
    "collection_method": choice("charge_automatically", "send_invoice"),
    "days_until_due": INTEGER,
    "default_tax_rates": TEXTS,
    "description": TEXT,
    "expand": TEXTS,
    "metadata": METADATA,
    "off_session": BOOLEAN,
    "payment_behavior": choice(
        "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
    ),
    "proration_behavior": PRORATION,
}
CREATE = shape(
    "customer",
    backdate_start_date=INTEGER,
    billing_cycle_anchor=INTEGER,
    billing_mode=shape(
        type=choice("flexible"), flexible=shape(proration_discounts=choice("included"))
    ),
    currency=TEXT,
    customer=TEXT,
    items=many(NEW_ITEM),
    trial_end=INTEGER,
    **_COMMON,
)
UPDATE = shape(
    billing_cycle_anchor=choice("unchanged"),
    items=many(CHANGED_ITEM),
    proration_date=INTEGER,
    **_COMMON,
)
CANCEL = shape(
    cancellation_details=shape(comment=TEXT, feedback=TEXT),
    invoice_now=BOOLEAN,
    prorate=BOOLEAN,
    expand=TEXTS,
)
_ITEM_CHANGE = {
    **{name: field for name, field in CHANGED_ITEM.fields.items() if name != "id"},
    "expand": TEXTS,
    "payment_behavior": _COMMON["payment_behavior"],
    "proration_behavior": PRORATION,
    "proration_date": INTEGER,
}


def cancel_subscription(request: Request) -> Document:
    account, form = request.account, request.form
    subscription = account.fetch("subscription", request.id)
    if subscription["status"] == "canceled":
        raise missing("subscription", request.id)
    charges = credit_all(account, subscription) if form.get("prorate") else []
    canceled = cancel(account, {**subscription, "_debits": {}}, form.get("cancellation_details"))
    if form.get("invoice_now") and charges:
        customer = account.fetch("customer", canceled["customer"])
        terms = terms_of(canceled, "subscription_update")
        return bill(account, canceled, customer, charges, terms)
    for charge in charges:
        add_pending(account, canceled["customer"], charge, canceled["id"])
    return canceled


def list_items(request: Request) -> Document:
    key = request.form["subscription"]
    subscription = request.reader.get("subscription", key)
    if subscription is None:
        raise missing("subscription", key, "subscription", status=400)
    items = list(reversed(subscription["items"]["data"]))
    return paged(request, items, "subscription_item", "/v1/subscription_items")


def retrieve_item(request: Request) -> Document:
    return _find_item(request)[1]


def create_item(request: Request) -> Document:
    form = dict(request.form)
    key, settings = form.pop("subscription"), _settings(form)
    changed = apply_update(request.account, key, {"items": [form], **settings})
    item: Document = changed["items"]["data"][-1]
    return item


def update_item(request: Request) -> Document:
    subscription, _ = _find_item(request)
    form = dict(request.form)
    settings = _settings(form)
    change = {"items": [{**form, "id": request.id}], **settings}
    changed = apply_update(request.account, subscription["id"], change)
    return next(item for item in changed["items"]["data"] if item["id"] == request.id)


def delete_item(request: Request) -> Document:
    subscription, _ = _find_item(request)
    settings = _settings(dict(request.form))
    change = {"items": [{"id": request.id, "deleted": True}], **settings}
    apply_update(request.account, subscription["id"], change)
    return {"id": request.id, "object": "subscription_item", "deleted": True}


def _settings(form: Document) -> Document:
    """Take the parameters that belong to the subscription's update out of an item's form."""
    form.pop("expand", None)
    form.pop("payment_behavior", None)
    names = ("proration_behavior", "proration_date")
    return {name: form.pop(name) for name in names if name in form}


def _find_item(request: Request) -> tuple[Document, Document]:
    account: Account = request.account
    for subscription in account.store.all("subscription"):
        for item in subscription["items"]["data"]:
            if item["id"] == request.id:
                return subscription, item
    raise missing("subscription_item", request.id)


CREATE_OPERATION = Operation(create_subscription, CREATE)
UPDATE_OPERATION = Operation(update_subscription, UPDATE)
CANCEL_OPERATION = Operation(cancel_subscription, CANCEL)
LIST_ITEMS = Operation(list_items, shape("subscription", subscription=TEXT, **PAGING))
RETRIEVE_ITEM = Operation(retrieve_item, shape(expand=TEXTS))
CREATE_ITEM = Operation(create_item, shape("subscription", subscription=TEXT, **_ITEM_CHANGE))
UPDATE_ITEM = Operation(update_item, shape(**_ITEM_CHANGE))
DELETE_ITEM = Operation(
    delete_item,
    shape(proration_behavior=PRORATION, proration_date=INTEGER, clear_usage=BOOLEAN),
)
