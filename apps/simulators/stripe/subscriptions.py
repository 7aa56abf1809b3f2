"""Subscriptions: creation with the first invoice, renewal, cancellation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe import blanks
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.errors import StripeError
from apps.simulators.stripe.invoices import Terms, draft_invoice, finalize_invoice
from apps.simulators.stripe.items import (
    Debit,
    cycle_of,
    debit_from,
    new_item,
    period_charge,
    resolve_price,
    tax_rates,
)
from apps.simulators.stripe.lines import Charge, price_amount
from apps.simulators.stripe.pending import pending_of
from apps.simulators.stripe.periods import Period, next_period, periods_until
from apps.simulators.stripe.request import Request, merged_metadata

MAX_ITEMS = 20


def create_subscription(request: Request) -> Document:
    """Create, bill at once and announce; the first invoice is finalized immediately."""
    account, form = request.account, request.form
    customer = account.refer("customer", form["customer"], "customer")
    _check_collection(form)
    subscription = _blank(account, form)
    items = [
        new_item(account, entry, subscription["id"], f"items[{index}]")
        for index, entry in enumerate(form.get("items") or [])
    ]
    _check_items(items)
    subscription["currency"] = items[0]["price"]["currency"]
    charges = _first_charges(account, subscription, items, form)
    charges += one_off_charges(account, subscription, form)
    subscription = with_items(subscription, items)
    account.save(subscription)
    account.emit("customer.subscription.created", subscription)
    account.record("created", subscription)
    terms = terms_of(subscription, "subscription_create")
    return bill(account, subscription, customer, charges, terms)


def _check_collection(form: Document) -> None:
    if form.get("collection_method") != "send_invoice":
        raise StripeError(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method.",
            code="resource_missing",
        )
    if form.get("days_until_due") is None:
        raise StripeError(
            "If you are using `collection_method=send_invoice`, you must pass `days_until_due`.",
            code="parameter_missing",
            param="days_until_due",
        )


def _check_items(items: list[Document]) -> None:
    if not items:
        raise StripeError(
            "Missing required param: items.", code="parameter_missing", param="items"
        )
    if len(items) > MAX_ITEMS:
        raise StripeError(f"Subscriptions can have at most {MAX_ITEMS} items.", param="items")
    if len({item["price"]["currency"] for item in items}) > 1:
        raise StripeError(
            "All prices on a subscription must have the same currency.", param="items"
        )


def _blank(account: Account, form: Document) -> Document:
    now = account.now()
    start = form.get("backdate_start_date") or now
    if start > now:
        raise StripeError(
            "The `backdate_start_date` must be in the past.", param="backdate_start_date"
        )
    trial_end = form.get("trial_end")
    return {
        **dict.fromkeys(blanks.SUBSCRIPTION),
        "id": new_id("subscription"),
        "object": "subscription",
        "automatic_tax": {"enabled": False, "disabled_reason": None, "liability": None},
        "billing_cycle_anchor": trial_end or form.get("billing_cycle_anchor") or start,
        "billing_mode": {
            "type": "flexible",
            "flexible": {"proration_discounts": "included"},
            "updated_at": now,
        },
        "billing_schedules": [],
        "cancel_at": form.get("cancel_at"),
        "cancel_at_period_end": bool(form.get("cancel_at_period_end")),
        "cancellation_details": dict.fromkeys(
            ("comment", "feedback", "feedback_option", "reason")
        ),
        "collection_method": form["collection_method"],
        "created": now,
        "customer": form["customer"],
        "days_until_due": form["days_until_due"],
        "default_tax_rates": tax_rates(
            account, form.get("default_tax_rates"), "default_tax_rates"
        ),
        "description": form.get("description"),
        "discounts": [],
        "invoice_settings": {
            "account_tax_ids": None,
            "issuer": {"type": "self", "account": None},
        },
        "livemode": False,
        "metadata": merged_metadata({}, form.get("metadata")),
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "start_date": start,
        "status": "trialing" if trial_end else "active",
        "trial_end": trial_end,
        "_debits": {},
    }


def _first_charges(
    account: Account, subscription: Document, items: list[Document], form: Document
) -> list[Charge]:
    """Bill every natural cycle from the start to the current one; sets items' periods."""
    now, charges = account.now(), []
    free = form.get("proration_behavior") == "none"
    for item in items:
        periods = _first_periods(subscription, item, now)
        item["current_period_start"] = periods[-1].start
        item["current_period_end"] = periods[-1].end
        for period in periods:
            unbilled = free and (period.start < now or period.is_partial)
            if subscription["status"] != "trialing" and not unbilled:
                charges.append(charge_for(account, subscription, item, period))
    return charges


def _first_periods(subscription: Document, item: Document, now: int) -> list[Period]:
    start, anchor = subscription["start_date"], subscription["billing_cycle_anchor"]
    if subscription["status"] == "trialing":
        return [Period(start, anchor, start)]
    return list(periods_until(cycle_of(item), anchor, start, now))


def charge_for(account: Account, subscription: Document, item: Document, period: Period) -> Charge:
    product = account.fetch("product", item["price"]["product"])
    return period_charge(
        item, period, subscription["default_tax_rates"], subscription["metadata"], product["name"]
    )


def one_off_charges(account: Account, subscription: Document, form: Document) -> list[Charge]:
    """`add_invoice_items`: one-time prices billed with the next invoice."""
    charges = []
    for index, entry in enumerate(form.get("add_invoice_items") or []):
        where = f"add_invoice_items[{index}]"
        price = resolve_price(account, entry, where)
        product = account.fetch("product", price["product"])
        rates = tax_rates(account, entry.get("tax_rates"), f"{where}[tax_rates]")
        quantity = entry.get("quantity") or 1
        period = entry.get("period") or {}
        now = account.now()
        charges.append(
            Charge(
                amount=price_amount(price, quantity),
                currency=price["currency"],
                description=product["name"],
                start=(period.get("start") or {}).get("timestamp") or now,
                end=(period.get("end") or {}).get("timestamp") or now,
                price=price,
                quantity=quantity,
                subscription=subscription["id"],
                invoice_item=new_id("invoiceitem"),
                tax_rates=tuple(rates or subscription["default_tax_rates"]),
                metadata=merged_metadata({}, entry.get("metadata")),
            )
        )
    return charges


def terms_of(subscription: Document, reason: str, proration_date: int | None = None) -> Terms:
    return Terms(
        reason=reason,
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
        description=subscription["description"],
        proration_date=proration_date,
    )


def bill(
    account: Account,
    subscription: Document,
    customer: Document,
    charges: list[Charge],
    terms: Terms,
) -> Document:
    """Invoice the charges with whatever was pending; returns the updated subscription."""
    pending = pending_of(account, subscription)
    invoice = draft_invoice(account, customer, [*pending, *charges], terms, subscription)
    debits = _debits_after(account, subscription, invoice)
    saved = account.save({**subscription, "latest_invoice": invoice["id"], "_debits": debits})
    finalize_invoice(account, invoice)
    return saved


def _debits_after(account: Account, subscription: Document, invoice: Document) -> Document:
    """Per item: what was billed for time that has not passed yet.

    A line that came from a pending proration only fills in its invoice: the debit was
    noted when the change was made, and may have been credited since.
    """
    now = account.now()
    debits: dict[str, list[Document]] = {
        item: [debit for debit in known if debit["end"] > now]
        for item, known in subscription["_debits"].items()
    }
    for line in invoice["_lines"]:
        debit = debit_from(line)
        if debit is None:
            continue
        item = line["parent"]["subscription_item_details"]["subscription_item"]
        known = debits.setdefault(item, [])
        if debit.invoice_item is None:
            known.append(asdict(debit))
        debits[item] = [_filled(noted, debit) for noted in known]
    return debits


def _filled(noted: Document, debit: Debit) -> Document:
    if noted["invoice_item"] is None or noted["invoice_item"] != debit.invoice_item:
        return noted
    return {**noted, "invoice": debit.invoice, "line": debit.line}


def with_items(subscription: Document, items: list[Document]) -> Document:
    return {**subscription, "items": item_list(subscription["id"], items)}


def item_list(subscription_id: str, items: list[Document]) -> Document:
    url = f"/v1/subscription_items?subscription={subscription_id}"
    count = len(items)
    return {"object": "list", "data": items, "has_more": False, "total_count": count, "url": url}


def renew(account: Account, subscription: Document) -> Document | None:
    """Bill the items whose period has ended; None when nothing was due."""
    now = account.now()
    items = subscription["items"]["data"]
    due = [item for item in items if item["current_period_end"] <= now]
    ended = subscription["cancel_at"] is not None and subscription["cancel_at"] <= now
    if ended or (due and subscription["cancel_at_period_end"]):
        return cancel(account, subscription)
    if not due:
        return None
    charges, renewed = [], []
    for item in items:
        if item not in due:
            renewed.append(item)
            continue
        period = next_period(
            cycle_of(item), subscription["billing_cycle_anchor"], item["current_period_end"]
        )
        moved = {
            **item,
            "current_period_start": period.start,
            "current_period_end": period.end,
        }
        renewed.append(moved)
        charges.append(charge_for(account, subscription, moved, period))
    updated = account.save({**with_items(subscription, renewed), "status": "active"})
    account.emit("customer.subscription.updated", updated, {"items": subscription["items"]})
    customer = account.fetch("customer", subscription["customer"])
    return bill(account, updated, customer, charges, terms_of(updated, "subscription_cycle"))


def cancel(account: Account, subscription: Document, details: Any = None) -> Document:
    now = account.now()
    canceled = account.save(
        {
            **subscription,
            "status": "canceled",
            "canceled_at": now,
            "ended_at": now,
            "cancellation_details": {
                **subscription["cancellation_details"],
                "reason": "cancellation_requested",
                **(details or {}),
            },
        }
    )
    account.emit("customer.subscription.deleted", canceled)
    account.record("canceled", canceled)
    return canceled
