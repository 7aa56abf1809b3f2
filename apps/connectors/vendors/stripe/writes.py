"""The write operations on Stripe: customer, subscriptions of a contract, their change.

Every object carries our reference in its metadata, so that a lost answer can be looked up.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from apps.connectors.base import OutboundCall, ReadBack, Written
from apps.connectors.vendors.stripe.client import StripeClient
from apps.connectors.vendors.stripe.schemas import major
from apps.core.errors import RejectedError
from apps.core.money import quantise

REFERENCE = "hub_ref"
PART = "hub_part"
ENTITY = "legal_entity"
LAST_CHANGE = "hub_change"


async def upsert_customer(client: StripeClient, call: OutboundCall) -> Written:
    """Create a customer, or change the one that carries the same ``metadata.hub_id``."""
    form = _with_metadata(call.payload, {REFERENCE: call.reference})
    known = form.pop("id", None)
    if not known:
        found = await _customer_of(client, form)
        if found and found["metadata"].get(REFERENCE) == call.reference:
            return _customer(found)  # an earlier try of this call wrote it
        known = found and found["id"]
    if known:
        form.pop("tax_id_data", None)  # tax ids are given at creation only
    path = f"/v1/customers/{known}" if known else "/v1/customers"
    return _customer(await client.post(call.operation, path, form, call.idempotency_key))


async def _customer_of(client: StripeClient, form: Mapping[str, Any]) -> Any | None:
    hub_id = form["metadata"].get("hub_id")
    found = await _search(client, "customers", "hub_id", str(hub_id)) if hub_id else []
    return found[0] if found else None


async def find_customer(client: StripeClient, call: OutboundCall) -> Written | None:
    found = await _search(client, "customers", REFERENCE, call.reference)
    return _customer(found[0]) if found else None


def _customer(customer: Mapping[str, Any]) -> Written:
    return Written(str(customer["id"]), data={"invoice_prefix": customer.get("invoice_prefix")})


async def create_subscriptions(client: StripeClient, call: OutboundCall) -> Written:
    """Create the subscriptions of a contract, one for each billing frequency.

    With several parts, those that an earlier try had made are found first and kept: a part
    refused later must not make the others twice.
    """
    parts = parts_of(call, "subscriptions")
    made = await _made_parts(client, call, parts) if len(parts) > 1 else {}
    for number, part in enumerate(parts):
        key = str(part["key"])
        if key in made:
            continue
        form = {name: value for name, value in part.items() if name != "key"}
        form = _with_metadata(form, {REFERENCE: call.reference, PART: key})
        with _after(made):
            made[key] = await client.post(
                call.operation, "/v1/subscriptions", form, f"{call.idempotency_key}-{number}"
            )
    return _subscriptions([made[str(part["key"])] for part in parts])


@contextmanager
def _after(taken: Collection[Any]) -> Iterator[None]:
    """A refusal after other parts were taken says so: what stands must not be given up unseen."""
    try:
        yield
    except RejectedError as error:
        if taken:
            error.partly = True
            words = f"{error.facts.message} {len(taken)} of its parts stand at Stripe already."
            error.facts, error.args = replace(error.facts, message=words), (words,)
        raise


async def find_subscriptions(client: StripeClient, call: OutboundCall) -> Written | None:
    """The subscriptions of our reference, when all of them exist."""
    parts = parts_of(call, "subscriptions")
    made = await _made_parts(client, call, parts)
    if len(made) < len(parts):
        return None
    return _subscriptions([made[str(part["key"])] for part in parts])


async def _made_parts(
    client: StripeClient, call: OutboundCall, parts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Listed by customer, which unlike search shows what was written a moment ago."""
    made: dict[str, Any] = {}
    for customer in sorted({str(part["customer"]) for part in parts}):
        listed = await client.list_all(
            call.operation, "/v1/subscriptions", {"customer": customer, "status": "all"}
        )
        for subscription in listed:
            metadata = subscription["metadata"]
            if metadata.get(REFERENCE) == call.reference:
                made[str(metadata.get(PART))] = subscription
    return made


async def read_subscriptions(
    client: StripeClient, call: OutboundCall, written: Written
) -> ReadBack:
    """What runs of a contract, part by part: currency, entity, and what one period costs.

    Raises ``RejectedError`` (not_found) when one of them does not exist.
    """
    parts = written.data.get("subscriptions") or [{"id": written.external_id}]
    found = [await client.get(call.operation, f"/v1/subscriptions/{p['id']}") for p in parts]
    entities = {str((each.get("metadata") or {}).get(ENTITY) or "") for each in found}
    return ReadBack(
        written.external_id,
        currency=str(found[0]["currency"]).upper(),
        net=_period_net(found),
        entity=entities.pop() if len(entities) == 1 else "",
    )


def _period_net(found: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """The price of one period of every item, rounded item by item as Stripe rounds; None when a
    price is tiered and has no unit amount."""
    total = Decimal(0)
    for subscription in found:
        currency = str(subscription["currency"]).upper()
        for item in subscription["items"]["data"]:
            unit = item["price"].get("unit_amount_decimal")
            if unit is None:
                return None
            total += quantise(
                major(Decimal(str(unit)) * int(item["quantity"]), currency), currency
            )
    return total


def _subscriptions(made: Sequence[Mapping[str, Any]]) -> Written:
    return Written(
        external_id=str(made[0]["id"]),
        data={
            "subscriptions": [
                {
                    "key": subscription["metadata"].get(PART, ""),
                    "id": subscription["id"],
                    "items": [_item(item) for item in subscription["items"]["data"]],
                }
                for subscription in made
            ]
        },
    )


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"],
        "line": (item.get("metadata") or {}).get("hub_line", ""),
        "product": item["price"]["product"],
        "price": item["price"]["id"],
        "quantity": item["quantity"],
        "period_start": item.get("current_period_start"),
        "period_end": item.get("current_period_end"),
    }


async def change_subscriptions(client: StripeClient, call: OutboundCall) -> Written:
    """Change items of a contract's subscriptions and bill the proration now."""
    changes = parts_of(call, "changes")
    changed: list[Any] = []
    for number, change in enumerate(changes):
        form = {name: value for name, value in change.items() if name != "subscription"}
        form = _with_metadata(form, {LAST_CHANGE: call.reference})
        with _after(changed):
            changed.append(
                await client.post(
                    call.operation,
                    f"/v1/subscriptions/{change['subscription']}",
                    form,
                    f"{call.idempotency_key}-{number}",
                )
            )
    return await _changed(client, call, changes, changed)


async def find_change(client: StripeClient, call: OutboundCall) -> Written | None:
    """The change of our reference, when every subscription carries it as its last."""
    changes = parts_of(call, "changes")
    found: list[Any] = []
    for change in changes:
        path = f"/v1/subscriptions/{change['subscription']}"
        subscription = await client.find(call.operation, path)
        if subscription is None or subscription["metadata"].get(LAST_CHANGE) != call.reference:
            return None
        found.append(subscription)
    return await _changed(client, call, changes, found)


async def _changed(
    client: StripeClient,
    call: OutboundCall,
    changes: Sequence[Mapping[str, Any]],
    changed: Sequence[Mapping[str, Any]],
) -> Written:
    """What the change cost: the net of its proration invoices, in major units."""
    invoices = [
        invoice
        for change, subscription in zip(changes, changed, strict=True)
        for invoice in await _proration_invoices(client, call, change, subscription)
    ]
    currency = str(changed[0]["currency"]).upper()
    net = sum(
        (major(invoice["total_excluding_tax"], currency) for invoice in invoices), Decimal(0)
    )
    written = _subscriptions(changed)
    return Written(
        external_id=written.external_id,
        data={
            **written.data,
            "prorated_net": format(net, "f"),
            "currency": currency,
            "invoices": [
                {"id": invoice["id"], "number": invoice.get("number") or ""}
                for invoice in invoices
            ],
        },
    )


async def _proration_invoices(
    client: StripeClient,
    call: OutboundCall,
    change: Mapping[str, Any],
    subscription: Mapping[str, Any],
) -> list[Any]:
    """Invoices of this change: those with its proration date whose reference it froze."""
    listed = await client.list_all(
        call.operation, "/v1/invoices", {"subscription": subscription["id"]}
    )
    return [invoice for invoice in listed if _is_of(invoice, change, call.reference)]


def _is_of(invoice: Mapping[str, Any], change: Mapping[str, Any], reference: str) -> bool:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    moment = details.get("subscription_proration_date")
    wanted = change.get("proration_date")
    if moment is None or (wanted is not None and int(moment) != int(wanted)):
        return False
    return bool((details.get("metadata") or {}).get(LAST_CHANGE) == reference)


async def _search(client: StripeClient, noun: str, key: str, value: str) -> list[Any]:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    query = {"query": f"metadata['{key}']:'{escaped}'", "limit": 10}
    page = await client.get(f"{noun}.search", f"/v1/{noun}/search", query)
    return list(page["data"])


def _with_metadata(form: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
    return {**form, "metadata": {**(form.get("metadata") or {}), **more}}


def parts_of(call: OutboundCall, name: str) -> list[Mapping[str, Any]]:
    """A list of the payload. Raises ``RejectedError`` when it is missing or empty."""
    parts = call.payload.get(name)
    if not isinstance(parts, list) or not parts:
        raise RejectedError(
            "field_refused",
            f"The document has no {name} for Stripe. Correct the mapping of {call.operation}, "
            f"then retry.",
            field=name,
        )
    return parts
