"""Invoices from draft to paid or void, with the customer's credit balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe import blanks
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.lines import Charge, build_line, total_taxes

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Terms:
    """How an invoice is collected and why it exists."""

    reason: str
    collection_method: str = "send_invoice"
    days_until_due: int | None = None
    metadata: Document | None = None
    description: str | None = None
    proration_date: int | None = None
    currency: str | None = None
    effective_at: int | None = None


def draft_invoice(
    account: Account,
    customer: Document,
    charges: Sequence[Charge],
    terms: Terms,
    subscription: Document | None = None,
) -> Document:
    """Create a draft with its lines and totals, and say `invoice.created`."""
    invoice_id = new_id("invoice")
    default = terms.currency or customer["currency"] or "usd"
    currency = charges[0].currency if charges else default
    lines = [build_line(charge, invoice_id, customer["tax_exempt"]) for charge in charges]
    invoice: Document = {
        **_blank(account, customer, terms),
        "id": invoice_id,
        "currency": currency,
        "parent": _parent(subscription, terms),
        "period_start": min((c.start for c in charges), default=account.now()),
        "period_end": max((c.end for c in charges), default=account.now()),
        "default_tax_rates": [],
        "_subscription": subscription["id"] if subscription else None,
        "_lines": lines,
        **totals(lines),
    }
    saved = account.save(_with_due(invoice))
    _attach_pending(account, charges, invoice_id)
    account.emit("invoice.created", saved)
    return saved


def add_line(account: Account, invoice: Document, charge: Charge) -> Document:
    """Put one more line on a draft. Raises StripeError for other states or currencies."""
    if invoice["status"] != "draft":
        raise StripeError(
            "You can only add lines to a draft invoice.", code="invoice_not_editable"
        )
    if invoice["_lines"] and invoice["currency"] != charge.currency:
        raise StripeError(f"The invoice is in {invoice['currency']}.", param="currency")
    line = build_line(charge, invoice["id"], invoice["customer_tax_exempt"])
    lines = [*invoice["_lines"], line]
    changed = {**invoice, "currency": charge.currency, "_lines": lines, **totals(lines)}
    return account.save(changed)


def _attach_pending(account: Account, charges: Sequence[Charge], invoice_id: str) -> None:
    for charge in charges:
        item = account.store.get("invoiceitem", charge.invoice_item or "")
        if item:
            account.save({**item, "invoice": invoice_id})


def _blank(account: Account, customer: Document, terms: Terms) -> Document:
    now = account.now()
    return {
        **dict.fromkeys(blanks.INVOICE),
        "object": "invoice",
        "account_country": "US",
        "account_name": "Simulated account",
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": terms.reason,
        "collection_method": terms.collection_method,
        "created": now,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": customer["_tax_ids"],
        "description": terms.description,
        "discounts": [],
        "effective_at": terms.effective_at,
        "issuer": {"type": "self", "account": None},
        "livemode": False,
        "metadata": terms.metadata or {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        ),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "_days_until_due": terms.days_until_due,
    }


def totals(lines: list[Document]) -> Document:
    """Subtotal, taxes and total of lines; inclusive tax is inside the subtotal."""
    subtotal = sum(line["amount"] for line in lines)
    taxes = [tax for line in lines for tax in line["taxes"]]
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    inclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    total = subtotal + exclusive
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": subtotal - inclusive,
        "total_taxes": total_taxes(taxes),
        "amount_due": max(total, 0),
        "amount_remaining": max(total, 0),
    }


def finalize_invoice(account: Account, invoice: Document) -> Document:
    """Number, date and open a draft. Raises StripeError when it is no draft."""
    if invoice["status"] != "draft":
        raise StripeError(
            f"This invoice is already finalized, you can't re-finalize a {invoice['status']} "
            "invoice.",
            code="invoice_not_editable",
        )
    now = account.now()
    customer = account.fetch("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    due, balance = _apply_balance(invoice["total"], customer["balance"])
    account.save(
        {
            **customer,
            "next_invoice_sequence": sequence + 1,
            "balance": balance,
            "currency": invoice["currency"],
        }
    )
    opened = {
        **invoice,
        "number": f"{customer['invoice_prefix']}-{sequence:04d}",
        "status": "open",
        "effective_at": invoice["effective_at"] or now,
        "starting_balance": customer["balance"],
        "ending_balance": balance,
        "amount_due": due,
        "amount_remaining": due,
        "status_transitions": {**invoice["status_transitions"], "finalized_at": now},
        "hosted_invoice_url": f"https://invoice.stripe.com/i/acct_sim/{invoice['id']}",
        "invoice_pdf": f"https://pay.stripe.com/invoice/acct_sim/{invoice['id']}/pdf",
    }
    saved = account.save(_with_due(opened))
    account.emit("invoice.finalized", saved)
    account.record("finalized", saved, amounts(saved))
    return pay_invoice(account, saved) if due == 0 else saved


def amounts(invoice: Document) -> Document:
    """Net, tax and gross in minor units, for the ledger."""
    tax = sum(entry["amount"] for entry in invoice["total_taxes"])
    return {"net": invoice["total_excluding_tax"], "tax": tax, "gross": invoice["total"]}


def _apply_balance(total: int, balance: int) -> tuple[int, int]:
    """(amount due, new customer balance); a negative balance is the customer's credit."""
    due = total + balance
    return (due, 0) if due >= 0 else (0, due)


def pay_invoice(account: Account, invoice: Document) -> Document:
    """Mark an open invoice paid (out of band). Raises StripeError for other states."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            f"Invoice is {invoice['status']}, so it can't be paid.", code="invoice_not_editable"
        )
    now = account.now()
    due = invoice["amount_remaining"]
    paid = account.save(
        {
            **invoice,
            "status": "paid",
            "amount_paid": invoice["amount_paid"] + due,
            "amount_remaining": 0,
            "attempted": due > 0,
            "status_transitions": {**invoice["status_transitions"], "paid_at": now},
        }
    )
    if due:
        _record_payment(account, paid, due)
    account.emit("invoice.paid", paid)
    account.record("paid", paid, amounts(paid))
    return paid


def _record_payment(account: Account, invoice: Document, amount: int) -> None:
    now = account.now()
    payment = account.save(
        {
            "id": new_id("invoice_payment"),
            "object": "invoice_payment",
            "amount_paid": amount,
            "amount_requested": amount,
            "created": now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {
                "charge": None,
                "payment_intent": None,
                "payment_record": f"pr_{invoice['id'][4:]}",
                "type": "payment_record",
            },
            "status": "paid",
            "status_transitions": {"canceled_at": None, "paid_at": now},
        }
    )
    account.emit("invoice_payment.paid", payment)


def end_invoice(account: Account, invoice: Document, verb: str) -> Document:
    """Void an open invoice or mark it uncollectible. Raises StripeError otherwise."""
    status, stamp, topic = {
        "void": ("void", "voided_at", "invoice.voided"),
        "mark_uncollectible": (
            "uncollectible",
            "marked_uncollectible_at",
            "invoice.marked_uncollectible",
        ),
    }[verb]
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            f"You can only pass in open invoices. This invoice isn't open: it is "
            f"{invoice['status']}.",
            code="invoice_not_editable",
        )
    transitions = {**invoice["status_transitions"], stamp: account.now()}
    ended = account.save({**invoice, "status": status, "status_transitions": transitions})
    account.emit(topic, ended)
    account.record(verb_of(topic), ended, amounts(ended))
    return ended


def verb_of(topic: str) -> str:
    """What happened, from an event's name: invoice.voided -> voided."""
    return topic.rpartition(".")[2]


def _parent(subscription: Document | None, terms: Terms) -> Document | None:
    if subscription is None:
        return None
    details: dict[str, Any] = {
        "metadata": subscription["metadata"],
        "subscription": subscription["id"],
    }
    if terms.proration_date is not None:
        details["subscription_proration_date"] = terms.proration_date
    return {
        "type": "subscription_details",
        "quote_details": None,
        "subscription_details": details,
    }


def _with_due(invoice: Document) -> Document:
    days = invoice["_days_until_due"]
    if invoice["collection_method"] == "send_invoice" and days is not None:
        start = invoice["status_transitions"]["finalized_at"] or invoice["created"]
        return {**invoice, "due_date": start + days * DAY}
    return invoice
