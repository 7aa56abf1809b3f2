"""Taking back what was sold: subscriptions end now, and what they invoiced is credited.

Nothing is deleted: Stripe keeps an ended subscription, and a credit note stands beside its
invoice. Each part looks at what stands before it writes, so the whole may be repeated.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.connectors.base import OutboundCall, ReadBack, Written
from apps.connectors.errors import error_for
from apps.connectors.vendors.stripe.client import StripeClient
from apps.connectors.vendors.stripe.schemas import major
from apps.connectors.vendors.stripe.writes import REFERENCE, parts_of

ENDED = "canceled"


async def cancel_subscriptions(client: StripeClient, call: OutboundCall) -> Written:
    """End each subscription and credit its open invoices in full.

    A paid invoice is refused: whether it is refunded or kept as a balance is for people to decide.
    """
    ended = [await _end(client, call, str(p["id"])) for p in parts_of(call, "subscriptions")]
    notes = [
        await _credit(client, call, invoice)
        for subscription in ended
        for invoice in await _to_credit(client, call, subscription["id"])
    ]
    return _written(ended, await _notes(client, call, ended) if notes else [])


async def _end(client: StripeClient, call: OutboundCall, key: str) -> Any:
    path = f"/v1/subscriptions/{key}"
    found = await client.get(call.operation, path)
    if found["status"] == ENDED:
        return found
    comment = f"{call.payload.get('comment') or 'Taken back'} ({call.reference})"
    return await client.delete(
        call.operation, path, {"cancellation_details": {"comment": comment}}
    )


async def _to_credit(client: StripeClient, call: OutboundCall, subscription: str) -> list[Any]:
    """Finalized invoices of which something is not credited yet."""
    listed = await client.list_all(call.operation, "/v1/invoices", {"subscription": subscription})
    return [i for i in listed if i["status"] in ("open", "paid") and _left(i) > 0]


def _left(invoice: Mapping[str, Any]) -> int:
    """What of an invoice is not credited yet, in minor units."""
    credited = sum(
        int(invoice.get(f"{when}_payment_credit_notes_amount") or 0) for when in ("pre", "post")
    )
    return int(invoice["total"]) - credited


async def _credit(client: StripeClient, call: OutboundCall, invoice: Mapping[str, Any]) -> Any:
    number = str(invoice.get("number") or invoice["id"])
    if invoice["status"] == "paid":
        raise error_for(
            "rejected_by_vendor",
            f"Invoice {number} is paid. Credit or refund it in Stripe, then retry.",
            field="invoice",
        )
    lines = await client.list_all(call.operation, f"/v1/invoices/{invoice['id']}/lines", {})
    form = {
        "invoice": invoice["id"],
        "reason": "order_change",
        "lines": [
            {"type": "invoice_line_item", "invoice_line_item": x["id"], "amount": x["amount"]}
            for x in lines
            if x["amount"]
        ],
        "metadata": {REFERENCE: call.reference},
    }
    key = f"{call.idempotency_key}-{invoice['id']}"
    return await client.post(call.operation, "/v1/credit_notes", form, key)


async def find_cancellation(client: StripeClient, call: OutboundCall) -> Written | None:
    """The ended subscriptions, when all of them are ended and nothing is left to credit."""
    ended = []
    for part in parts_of(call, "subscriptions"):
        found = await client.find(call.operation, f"/v1/subscriptions/{part['id']}")
        if found is None or found["status"] != ENDED:
            return None
        if await _to_credit(client, call, found["id"]):
            return None
        ended.append(found)
    return _written(ended, await _notes(client, call, ended))


async def _notes(
    client: StripeClient, call: OutboundCall, ended: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """The credit notes under our reference."""
    found: list[Any] = []
    for customer in sorted({str(subscription["customer"]) for subscription in ended}):
        listed = await client.list_all(call.operation, "/v1/credit_notes", {"customer": customer})
        found += [n for n in listed if n["metadata"].get(REFERENCE) == call.reference]
    return found


def _written(ended: Sequence[Mapping[str, Any]], notes: Sequence[Mapping[str, Any]]) -> Written:
    currency = str(ended[0]["currency"]).upper()
    credited = sum((major(note["total"], currency) for note in notes), Decimal(0))
    return Written(
        external_id=str(ended[0]["id"]),
        data={
            "subscriptions": [subscription["id"] for subscription in ended],
            "credit_notes": [{"id": n["id"], "number": n["number"]} for n in notes],
            "credited": format(credited, "f"),
            "currency": currency,
        },
    )


async def read_cancellation(
    client: StripeClient, call: OutboundCall, written: Written
) -> ReadBack:
    """The subscriptions as they stand now. Raises ``TransientError`` while one still runs."""
    if await find_cancellation(client, call) is None:
        raise error_for(
            "locked", "Stripe has not ended all of the subscriptions yet. The hub looks again."
        )
    return ReadBack(written.external_id, currency=str(written.data.get("currency") or ""))
