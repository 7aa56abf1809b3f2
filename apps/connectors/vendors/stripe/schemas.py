"""Stripe's wire values: bracketed forms, minor units, versions of objects."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from apps.connectors.base import InboundMessage, SnapshotDocument, SnapshotLine
from apps.core.errors import RejectedError

# Currencies whose smallest Stripe amount is the whole unit (docs.stripe.com/currencies); unlike
# ISO 4217, ISK and UGX count hundredths there.
ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())

# Events of one invoice within one second, in the order in which they happen.
_RANKS = {
    "invoice.finalized": 2, "invoice.paid": 3, "invoice.marked_uncollectible": 3,
    "invoice.voided": 4,
}  # fmt: skip
_STATUS_RANKS = {"draft": 0, "open": 2, "paid": 3, "uncollectible": 3, "void": 4}
INVOICE_EVENTS = tuple(_RANKS)


def exponent(currency: str) -> int:
    """Digits of Stripe's minor unit of a currency (upper case)."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def major(minor: int | str | Decimal, currency: str) -> Decimal:
    """Stripe's minor units, also fractions of them, → major units."""
    return Decimal(str(minor)).scaleb(-exponent(currency.upper()))


def flatten(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A nested document as bracketed pairs: ``items[0][price]``. None is left out."""
    return [pair for key, item in value.items() for pair in _pairs(str(key), item)]


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _pairs(f"{name}[{key}]", item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _pairs(f"{name}[{index}]", item)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    else:
        yield name, format(value, "f") if isinstance(value, Decimal) else str(value)


def subscription_of(invoice: Mapping[str, Any]) -> str:
    """The id of the subscription an invoice bills; empty for a one-off invoice."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return str(details.get("subscription") or "")


def contract_of(invoice: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata under which the hub made the subscription, as frozen on the invoice."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return {**(details.get("metadata") or {}), **(invoice.get("metadata") or {})}


def invoice_version(invoice: Mapping[str, Any]) -> int:
    """A version that rises with the invoice's life: milliseconds of its last transition."""
    moments = (invoice.get("status_transitions") or {}).values()
    latest = max([int(m) for m in moments if m] or [int(invoice.get("created") or 0)])
    return latest * 1000 + _STATUS_RANKS.get(str(invoice.get("status")), 0)


def event_message(event: Mapping[str, Any]) -> InboundMessage | None:
    """The invoice inside an event, or None for an event the hub does not act on.

    Raises ``RejectedError`` when an invoice event holds no invoice.
    """
    topic = str(event.get("type"))
    if topic not in _RANKS:
        return None
    invoice = (event.get("data") or {}).get("object")
    if not isinstance(invoice, dict) or not isinstance(invoice.get("id"), str):
        raise RejectedError(
            "malformed_payload",
            f"Event {event.get('id')} holds no invoice. Edit the payload so that data.object has "
            f"the invoice's id, then retry.",
            field="data.object.id",
        )
    message = invoice_message(invoice, topic, int(event["created"]) * 1000 + _RANKS[topic])
    return replace(message, message_id=str(event.get("id") or ""))


def invoice_message(
    invoice: Mapping[str, Any], topic: str, version: int | None = None
) -> InboundMessage:
    """An invoice as a message; one whose lines were cut off must be fetched."""
    lines = invoice.get("lines")
    cut = isinstance(lines, dict) and bool(lines.get("has_more"))
    return InboundMessage(
        event_type=topic,
        object_type="invoice",
        object_id=str(invoice["id"]),
        source_version=invoice_version(invoice) if version is None else version,
        payload=None if cut else dict(invoice),
        needs_fetch=cut,
    )


def invoice_document(invoice: Mapping[str, Any]) -> SnapshotDocument:
    """An invoice for reconciliation; ``match_key`` is its number."""
    currency = str(invoice["currency"]).upper()
    tax = sum(int(entry["amount"]) for entry in invoice.get("total_taxes") or [])
    net = int(invoice["total"]) - tax
    lines = (invoice.get("lines") or {}).get("data") or []
    return SnapshotDocument(
        document_type="invoice",
        external_id=str(invoice["id"]),
        number=str(invoice.get("number") or ""),
        match_key=str(invoice.get("number") or invoice["id"]),
        entity=str(contract_of(invoice).get("legal_entity") or ""),
        currency=currency,
        net=major(net, currency),
        tax=major(tax, currency),
        gross=major(invoice["total"], currency),
        status=str(invoice["status"]),
        document_date=_date(invoice.get("effective_at") or invoice["created"]),
        customer_name=str(invoice.get("customer_name") or ""),
        source_version=invoice_version(invoice),
        lines=tuple(_line(line, currency) for line in lines),
    )


def _line(line: Mapping[str, Any], currency: str) -> SnapshotLine:
    pricing = line.get("pricing") or {}
    tax = sum(
        int(entry["amount"])
        for entry in line.get("taxes") or []
        if entry.get("tax_behavior") == "exclusive"
    )
    return SnapshotLine(
        item=str((pricing.get("price_details") or {}).get("product") or ""),
        description=str(line.get("description") or ""),
        quantity=Decimal(line.get("quantity") or 1),
        unit_price=major(pricing.get("unit_amount_decimal") or 0, currency),
        net=major(line["amount"], currency),
        tax=major(tax, currency),
    )


def _date(unix: int) -> dt.date:
    return dt.datetime.fromtimestamp(int(unix), dt.UTC).date()
