"""Endpoints of invoices, their lines, previews and manual invoice items."""

from __future__ import annotations

from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.catalog import build_price
from apps.simulators.stripe.changes import apply_update
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.forms import (
    BOOLEAN,
    INTEGER,
    METADATA,
    TEXT,
    TEXTS,
    Field,
    choice,
    many,
)
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.invoices import (
    Terms,
    add_line,
    draft_invoice,
    end_invoice,
    finalize_invoice,
    pay_invoice,
)
from apps.simulators.stripe.items import (
    CHANGED_ITEM,
    ONE_TIME_PRICE_DATA,
    cycle_of,
    tax_rates,
)
from apps.simulators.stripe.lines import Charge, price_amount
from apps.simulators.stripe.listing import PAGING, paged
from apps.simulators.stripe.pending import add_pending, pending_of, pending_of_customer
from apps.simulators.stripe.periods import next_period
from apps.simulators.stripe.request import Operation, Request, merged_metadata
from apps.simulators.stripe.subscription_api import PRORATION
from apps.simulators.stripe.subscriptions import charge_for, create_subscription, terms_of


class _Undone(Exception):
    """Ends a preview's unit of work so that nothing of it remains."""

    def __init__(self, invoice: Document) -> None:
        super().__init__()
        self.invoice = invoice


def preview_invoice(request: Request) -> Document:
    """POST /v1/invoices/create_preview: do the change for real, then undo all of it."""
    account = request.account
    try:
        with account.store.unit():
            raise _Undone(_foreseen(request))
    except _Undone as done:
        return {
            **done.invoice,
            "id": f"upcoming_{done.invoice['id']}",
            "status": "draft",
            "number": None,
            "hosted_invoice_url": None,
            "invoice_pdf": None,
        }


def _foreseen(request: Request) -> Document:
    account, form = request.account, request.form
    details = form.get("subscription_details") or {}
    if not form.get("subscription"):
        return _first_invoice(request, details)
    changed = apply_update(account, form["subscription"], details)
    if details.get("proration_behavior") == "always_invoice":
        return account.fetch("invoice", changed["latest_invoice"])
    charges = pending_of(account, changed)
    for item in changed["items"]["data"]:
        period = next_period(
            cycle_of(item), changed["billing_cycle_anchor"], item["current_period_end"]
        )
        charges.append(charge_for(account, changed, item, period))
    customer = account.fetch("customer", changed["customer"])
    terms = terms_of(changed, "upcoming", details.get("proration_date"))
    return draft_invoice(account, customer, charges, terms, changed)


def _first_invoice(request: Request, details: Document) -> Document:
    if not request.form.get("customer"):
        raise StripeError(
            "You must pass `customer` or `subscription`.",
            code="parameter_missing",
            param="customer",
        )
    form = {
        **details,
        "customer": request.form["customer"],
        "collection_method": "send_invoice",
        "days_until_due": 30,
    }
    created = create_subscription(Request(request.account, request.reader, request.path, form))
    return request.account.fetch("invoice", created["latest_invoice"])


def create_invoice(request: Request) -> Document:
    """A manual draft; pending items of the customer join it when asked to."""
    account, form = request.account, request.form
    customer = account.refer("customer", form["customer"], "customer")
    include = form.get("pending_invoice_items_behavior") == "include"
    charges = pending_of_customer(account, customer["id"]) if include else []
    terms = Terms(
        reason="manual",
        collection_method=form.get("collection_method") or "charge_automatically",
        days_until_due=form.get("days_until_due"),
        metadata=merged_metadata({}, form.get("metadata")),
        description=form.get("description"),
        currency=form.get("currency"),
        effective_at=form.get("effective_at"),
    )
    return draft_invoice(account, customer, charges, terms)


def create_invoice_item(request: Request) -> Document:
    account, form = request.account, request.form
    customer = account.refer("customer", form["customer"], "customer")
    price, quantity = _item_price(account, form), form.get("quantity") or 1
    if price is None and (form.get("amount") is None or not form.get("currency")):
        raise StripeError(
            "You must specify amount and currency, or a price.",
            code="parameter_missing",
            param="amount",
        )
    period = form.get("period") or {}
    charge = Charge(
        amount=price_amount(price, quantity) if price else form["amount"],
        currency=price["currency"] if price else form["currency"].lower(),
        description=form.get("description"),
        start=period.get("start") or account.now(),
        end=period.get("end") or account.now(),
        price=price,
        quantity=quantity,
        subscription=form.get("subscription"),
        invoice_item=new_id("invoiceitem"),
        tax_rates=tuple(tax_rates(account, form.get("tax_rates"), "tax_rates")),
        metadata=merged_metadata({}, form.get("metadata")),
    )
    item = add_pending(account, customer["id"], charge, form.get("subscription"))
    if not form.get("invoice"):
        return item
    invoice = account.refer("invoice", form["invoice"], "invoice")
    add_line(account, invoice, charge)
    return account.save({**item, "invoice": invoice["id"]})


def _item_price(account: Account, form: Document) -> Document | None:
    named = (form.get("pricing") or {}).get("price")
    if named:
        return account.refer("price", named, "pricing[price]")
    if form.get("price_data"):
        return build_price(account, form["price_data"], active=False)
    return None


def update_invoice(request: Request) -> Document:
    account, form = request.account, dict(request.form)
    invoice = account.fetch("invoice", request.id)
    metadata = merged_metadata(invoice["metadata"], form.pop("metadata", None))
    form.pop("expand", None)
    if form and invoice["status"] != "draft":
        raise StripeError(
            "Finalized invoices can't be updated in this way.", code="invoice_not_editable"
        )
    saved = account.save({**invoice, **form, "metadata": metadata})
    account.emit("invoice.updated", saved, {"metadata": invoice["metadata"]})
    account.record("updated", saved)
    return saved


def finalize(request: Request) -> Document:
    return finalize_invoice(request.account, request.account.fetch("invoice", request.id))


def pay(request: Request) -> Document:
    invoice = request.account.fetch("invoice", request.id)
    if invoice["status"] == "draft":
        invoice = finalize_invoice(request.account, invoice)
    if not request.form.get("paid_out_of_band"):
        raise StripeError(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set "
            "one, or mark the invoice as paid out of band.",
            code="missing",
        )
    return pay_invoice(request.account, invoice)


def send(request: Request) -> Document:
    invoice = request.account.fetch("invoice", request.id)
    if invoice["status"] == "draft":
        invoice = finalize_invoice(request.account, invoice)
    request.account.emit("invoice.sent", invoice)
    return invoice


def list_lines(request: Request) -> Document:
    kind = "credit_note" if request.id.startswith("cn_") else "invoice"
    owner = request.account.fetch(kind, request.id, request.reader)
    noun = "credit_notes" if kind == "credit_note" else "invoices"
    return paged(request, owner["_lines"], "line_item", f"/v1/{noun}/{request.id}/lines")


def ending(verb: str) -> Operation:
    def handler(request: Request) -> Document:
        return end_invoice(request.account, request.account.fetch("invoice", request.id), verb)

    return Operation(handler, _PLAIN)


_PLAIN = shape(expand=TEXTS)
_COLLECTION = choice("charge_automatically", "send_invoice")
_PREVIEW_DETAILS: dict[str, Field] = {
    "billing_cycle_anchor": choice("now", "unchanged"),
    "cancel_at": INTEGER,
    "cancel_at_period_end": BOOLEAN,
    "default_tax_rates": TEXTS,
    "items": many(CHANGED_ITEM),
    "proration_behavior": PRORATION,
    "proration_date": INTEGER,
}
_EDITABLE: dict[str, Any] = {
    "auto_advance": BOOLEAN,
    "collection_method": _COLLECTION,
    "days_until_due": INTEGER,
    "description": TEXT,
    "effective_at": INTEGER,
    "expand": TEXTS,
    "footer": TEXT,
    "metadata": METADATA,
}
PREVIEW = Operation(
    preview_invoice,
    shape(
        currency=TEXT,
        customer=TEXT,
        expand=TEXTS,
        preview_mode=choice("next", "recurring"),
        subscription=TEXT,
        subscription_details=shape(**_PREVIEW_DETAILS),
    ),
)
CREATE = Operation(
    create_invoice,
    shape(
        "customer",
        currency=TEXT,
        customer=TEXT,
        pending_invoice_items_behavior=choice("exclude", "include"),
        **_EDITABLE,
    ),
)
CREATE_ITEM = Operation(
    create_invoice_item,
    shape(
        "customer",
        amount=INTEGER,
        currency=TEXT,
        customer=TEXT,
        description=TEXT,
        expand=TEXTS,
        invoice=TEXT,
        metadata=METADATA,
        period=shape("start", "end", start=INTEGER, end=INTEGER),
        price_data=ONE_TIME_PRICE_DATA,
        pricing=shape(price=TEXT),
        quantity=INTEGER,
        subscription=TEXT,
        tax_rates=TEXTS,
    ),
)
UPDATE = Operation(update_invoice, shape(**_EDITABLE))
FINALIZE = Operation(finalize, shape(auto_advance=BOOLEAN, expand=TEXTS))
PAY = Operation(pay, shape(paid_out_of_band=BOOLEAN, forgive=BOOLEAN, expand=TEXTS))
SEND = Operation(send, _PLAIN)
VOID = ending("void")
UNCOLLECTIBLE = ending("mark_uncollectible")
LINES = Operation(list_lines, shape(**PAGING))
