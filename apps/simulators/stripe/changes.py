"""Changes of a running subscription: prorated credits and debits, to the second."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from apps.simulators.core.codec import Document
from apps.simulators.stripe.account import Account, new_id
from apps.simulators.stripe.errors import StripeError, missing
from apps.simulators.stripe.items import (
    Debit,
    changed_item,
    cycle_of,
    new_item,
    tax_rates,
)
from apps.simulators.stripe.lines import TIMES, Charge, price_amount
from apps.simulators.stripe.pending import add_pending
from apps.simulators.stripe.request import Request, merged_metadata
from apps.simulators.stripe.subscriptions import bill, one_off_charges, terms_of, with_items

SIMPLE = ("cancel_at", "cancel_at_period_end", "days_until_due", "description")


@dataclass(slots=True)
class Change:
    """What an update does to items: the new list, the charges, the open debits."""

    moment: int
    prorate: bool
    items: list[Document]
    debits: Document
    charges: list[Charge] = field(default_factory=list)


def update_subscription(request: Request) -> Document:
    """POST /v1/subscriptions/{id}. Raises StripeError for a canceled one or bad items."""
    return apply_update(request.account, request.id, request.form)


def apply_update(account: Account, key: str, form: Document) -> Document:
    before = account.fetch("subscription", key)
    if before["status"] == "canceled":
        raise StripeError(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    change = _item_changes(account, before, form)
    after = with_items(_with_fields(account, before, form), change.items)
    after["_debits"] = change.debits
    previous = {k: before[k] for k in after if k[0] != "_" and before.get(k) != after[k]}
    account.save(after)
    if previous:
        account.emit("customer.subscription.updated", after, previous)
        account.record("updated", after)
    return _bill_change(account, after, change, form)


def _with_fields(account: Account, before: Document, form: Document) -> Document:
    after = {**before, **{name: form[name] for name in SIMPLE if name in form}}
    after["metadata"] = merged_metadata(before["metadata"], form.get("metadata"))
    if "default_tax_rates" in form:
        after["default_tax_rates"] = tax_rates(
            account, form["default_tax_rates"], "default_tax_rates"
        )
    return after


def _bill_change(
    account: Account, subscription: Document, change: Change, form: Document
) -> Document:
    """Invoice the prorations now (`always_invoice`) or leave them pending."""
    one_off = one_off_charges(account, subscription, form)
    immediately = form.get("proration_behavior") == "always_invoice"
    if immediately and (change.charges or one_off):
        customer = account.fetch("customer", subscription["customer"])
        terms = terms_of(subscription, "subscription_update", change.moment)
        return bill(account, subscription, customer, change.charges + one_off, terms)
    for charge in change.charges + one_off:
        add_pending(account, subscription["customer"], charge, subscription["id"])
    return subscription


def _item_changes(account: Account, subscription: Document, form: Document) -> Change:
    change = Change(
        moment=_moment(account, subscription, form),
        prorate=form.get("proration_behavior") != "none",
        items=list(subscription["items"]["data"]),
        debits=dict(subscription["_debits"]),
    )
    for index, entry in enumerate(form.get("items") or []):
        where = f"items[{index}]"
        if entry.get("id"):
            _change_item(account, subscription, change, entry, where)
        else:
            _add_item(account, subscription, change, entry, where)
    if not change.items:
        raise StripeError("A subscription must have at least one active plan.", param="items")
    return change


def _moment(account: Account, subscription: Document, form: Document) -> int:
    """The second from which the change counts: `proration_date` or now."""
    moment: int = form.get("proration_date") or account.now()
    items = subscription["items"]["data"]
    earliest = min(item["current_period_start"] for item in items)
    latest = max(item["current_period_end"] for item in items)
    if not earliest <= moment <= latest:
        raise StripeError(
            "The `proration_date` must be within the current billing period.",
            param="proration_date",
        )
    return moment


def _add_item(
    account: Account, subscription: Document, change: Change, form: Document, where: str
) -> None:
    item = new_item(account, form, subscription["id"], where)
    if item["price"]["currency"] != subscription["currency"]:
        raise StripeError(
            f"The currency of the price must be {subscription['currency']}.", param=where
        )
    cycle, anchor = cycle_of(item), subscription["billing_cycle_anchor"]
    steps = cycle.steps_to(anchor, change.moment)
    item["current_period_start"] = cycle.boundary(anchor, steps)
    item["current_period_end"] = cycle.boundary(anchor, steps + 1)
    change.items.append(item)
    if change.prorate:
        _debit(account, subscription, change, item)


def _change_item(
    account: Account, subscription: Document, change: Change, form: Document, where: str
) -> None:
    position = next((i for i, item in enumerate(change.items) if item["id"] == form["id"]), None)
    if position is None:
        raise missing("subscription_item", form["id"], f"{where}[id]", status=400)
    before = change.items[position]
    if form.get("deleted"):
        del change.items[position]
        if change.prorate:
            _credit(account, subscription, change, before)
        return
    after = changed_item(account, before, form, where)
    _check_interval(before, after, where)
    change.items[position] = after
    if change.prorate and _costs_differ(before, after):
        _credit(account, subscription, change, before)
        _debit(account, subscription, change, after)


def _check_interval(before: Document, after: Document, where: str) -> None:
    if cycle_of(before) != cycle_of(after):
        raise StripeError(
            "Changing the billing interval of an item is not possible here; delete the item "
            "and add a new one.",
            param=f"{where}[price]",
        )


def _costs_differ(before: Document, after: Document) -> bool:
    return (before["price"]["id"], before["quantity"]) != (
        after["price"]["id"],
        after["quantity"],
    )


def _credit(account: Account, subscription: Document, change: Change, item: Document) -> None:
    """Give back the unused part of each amount that was debited for the rest of the period."""
    for noted in change.debits.pop(item["id"], []):
        debit = Debit(**noted)
        if not debit.start <= change.moment < debit.end:
            continue
        rates = [account.fetch("tax_rate", key) for key in debit.tax_rates]
        charge = _proration(
            account, subscription, item, change, -debit.unused(change.moment), "Unused"
        )
        change.charges.append(
            replace(
                charge,
                end=debit.end,
                quantity=debit.quantity,
                price=account.fetch("price", debit.price),
                tax_rates=tuple(rates),
                credited=_credited(debit),
            )
        )


def _credited(debit: Debit) -> Document | None:
    if debit.invoice is None:
        return None
    return {"invoice": debit.invoice, "invoice_line_items": [debit.line]}


def _debit(account: Account, subscription: Document, change: Change, item: Document) -> None:
    """Charge the new price and quantity for the rest of the period."""
    start, end = item["current_period_start"], item["current_period_end"]
    left = Decimal(end - change.moment) / Decimal(end - start)
    amount = price_amount(item["price"], item["quantity"], left)
    charge = _proration(account, subscription, item, change, amount, "Remaining")
    change.charges.append(charge)
    noted = Debit(
        invoice=None,
        line=None,
        amount=amount,
        start=change.moment,
        end=end,
        quantity=item["quantity"],
        price=item["price"]["id"],
        tax_rates=tuple(rate["id"] for rate in charge.tax_rates),
        invoice_item=charge.invoice_item,
    )
    change.debits[item["id"]] = [*change.debits.get(item["id"], []), asdict(noted)]


def _proration(
    account: Account,
    subscription: Document,
    item: Document,
    change: Change,
    amount: int,
    word: str,
) -> Charge:
    product = account.fetch("product", item["price"]["product"])
    day = datetime.fromtimestamp(change.moment, UTC).strftime("%d %b %Y")
    return Charge(
        amount=amount,
        currency=subscription["currency"],
        description=f"{word} time on {item['quantity']} {TIMES} {product['name']} after {day}",
        start=change.moment,
        end=item["current_period_end"],
        price=item["price"],
        quantity=item["quantity"],
        item=item["id"],
        subscription=subscription["id"],
        invoice_item=new_id("invoiceitem"),
        proration=True,
        tax_rates=tuple(item["tax_rates"] or subscription["default_tax_rates"]),
        metadata=subscription["metadata"],
    )


def credit_all(account: Account, subscription: Document) -> list[Charge]:
    """Credits for all unused time, when a subscription is cancelled with `prorate`."""
    items = list(subscription["items"]["data"])
    change = Change(account.now(), prorate=True, items=[], debits=dict(subscription["_debits"]))
    for item in items:
        _credit(account, subscription, change, item)
    return change.charges
