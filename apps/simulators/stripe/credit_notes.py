"""Credit notes against finalized invoices."""

from __future__ import annotations

from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.forms import DECIMAL, INTEGER, METADATA, TEXT, TEXTS, choice, many
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.lines import tax_on, total_taxes
from apps.simulators.stripe.request import Operation, Request, merged_metadata

LINE = shape(
    "type",
    type=choice("invoice_line_item", "custom_line_item"),
    invoice_line_item=TEXT,
    amount=INTEGER,
    description=TEXT,
    quantity=INTEGER,
    unit_amount=INTEGER,
    unit_amount_decimal=DECIMAL,
    tax_rates=TEXTS,
)
CREATE = shape(
    "invoice",
    invoice=TEXT,
    amount=INTEGER,
    lines=many(LINE),
    credit_amount=INTEGER,
    refund_amount=INTEGER,
    out_of_band_amount=INTEGER,
    reason=choice("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    memo=TEXT,
    email_type=choice("credit_note", "none"),
    metadata=METADATA,
    effective_at=INTEGER,
    expand=TEXTS,
)


def create_credit_note(request: Request) -> Document:
    """Credit an open or paid invoice. Raises StripeError when more than it has is credited."""
    account, form = request.account, request.form
    invoice = account.refer("invoice", form["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise StripeError(
            f"You can only create credit notes on open or paid invoices, not "
            f"{invoice['status']} ones.",
            param="invoice",
        )
    lines = _lines(account, invoice, form)
    note = _build(account, invoice, form, lines)
    _check_room(invoice, note["total"])
    account.save(note)
    _reduce_invoice(account, invoice, note)
    account.emit("credit_note.created", note)
    tax = sum(entry["amount"] for entry in note["total_taxes"])
    amounts = {"net": note["total_excluding_tax"], "tax": tax, "gross": note["total"]}
    account.record("issued", {**note, "metadata": _references(account, invoice, note)}, amounts)
    return note


def void_credit_note(request: Request) -> Document:
    account = request.account
    note = account.fetch("credit_note", request.id)
    if note["status"] == "void":
        raise StripeError("This credit note is already void.")
    voided = account.save({**note, "status": "void", "voided_at": account.now()})
    account.emit("credit_note.voided", voided)
    account.record("voided", voided)
    return voided


def _references(account: Account, invoice: Document, note: Document) -> Document:
    parent = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = account.store.get("subscription", parent.get("subscription", "")) or {}
    return {**subscription.get("metadata", {}), **invoice["metadata"], **note["metadata"]}


def _lines(account: Account, invoice: Document, form: Document) -> list[Document]:
    entries = form.get("lines")
    if entries:
        return [_line(account, invoice, entry) for entry in entries]
    amount = form.get("amount")
    if amount is None:
        raise StripeError(
            "You must specify one of amount or lines.", code="parameter_missing", param="amount"
        )
    return [_blank_line(amount, "Credit", [])]


def _line(account: Account, invoice: Document, entry: Document) -> Document:
    if entry["type"] == "custom_line_item":
        rates = [account.refer("tax_rate", k, "lines") for k in entry.get("tax_rates") or []]
        unit, quantity = entry.get("unit_amount") or 0, entry.get("quantity") or 1
        amount = unit * quantity
        taxes = [tax_on(amount, rate, invoice["customer_tax_exempt"]) for rate in rates]
        return _blank_line(amount, entry.get("description"), taxes) | {"quantity": quantity}
    key = entry.get("invoice_line_item")
    source = next((line for line in invoice["_lines"] if line["id"] == key), None)
    if source is None:
        raise StripeError(
            f"No such invoice line item: '{key}'", code="resource_missing", param="lines"
        )
    amount = entry.get("amount") or source["amount"]
    rates = [
        account.fetch("tax_rate", tax["tax_rate_details"]["tax_rate"]) for tax in source["taxes"]
    ]
    taxes = [tax_on(amount, rate, invoice["customer_tax_exempt"]) for rate in rates]
    return _blank_line(amount, source["description"], taxes) | {
        "type": "invoice_line_item",
        "invoice_line_item": key,
    }


def _blank_line(amount: int, description: str | None, taxes: list[Document]) -> Document:
    return {
        "id": new_id("credit_note_line_item"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": taxes,
        "type": "custom_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _build(account: Account, invoice: Document, form: Document, lines: list[Document]) -> Document:
    key = new_id("credit_note")
    taxes = [tax for line in lines for tax in line["taxes"]]
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    inclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    subtotal = sum(line["amount"] for line in lines)
    paid = invoice["status"] == "paid"
    total = subtotal + exclusive
    number = account.store.next_number(f"credit_note:{invoice['id']}")
    return {
        "id": key,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": form.get("effective_at") or account.now(),
        "invoice": invoice["id"],
        "livemode": False,
        "memo": form.get("memo"),
        "metadata": merged_metadata({}, form.get("metadata")),
        "number": f"{invoice['number']}-CN-{number:02d}",
        "out_of_band_amount": form.get("out_of_band_amount"),
        "pdf": f"https://pay.stripe.com/credit_notes/acct_sim/{key}/pdf",
        "post_payment_amount": total if paid else 0,
        "pre_payment_amount": 0 if paid else total,
        "pretax_credit_amounts": [],
        "reason": form.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": subtotal - inclusive,
        "total_taxes": total_taxes(taxes),
        "type": "post_payment" if paid else "pre_payment",
        "voided_at": None,
        "_lines": lines,
    }


def _check_room(invoice: Document, total: int) -> None:
    credited = (
        invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    )
    if total <= 0 or total > invoice["total"] - credited:
        raise StripeError(
            "The credit note amount must be positive and cannot be greater than the invoice's "
            "remaining amount.",
            param="amount",
        )


def _reduce_invoice(account: Account, invoice: Document, note: Document) -> None:
    changed: dict[str, Any] = dict(invoice)
    changed["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    changed["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
    if note["pre_payment_amount"]:
        left = max(0, invoice["amount_remaining"] - note["total"])
        changed |= {"amount_due": left, "amount_remaining": left}
    else:
        customer = account.fetch("customer", invoice["customer"])
        account.save({**customer, "balance": customer["balance"] - note["total"]})
    account.save(changed)
    account.emit("invoice.updated", changed, {"amount_remaining": invoice["amount_remaining"]})


CREATE_OPERATION = Operation(create_credit_note, CREATE)
VOID_OPERATION = Operation(void_credit_note, shape(expand=TEXTS))
