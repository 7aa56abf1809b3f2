"""What a caller sees of a document: no internal fields, ten lines, expanded references."""

from __future__ import annotations

from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Reader
from apps.simulators.stripe.errors import StripeError

INLINE_LINES = 10  # an invoice or credit note shows ten lines; more are paged
MAX_EXPAND_DEPTH = 4

# Reference fields by name and the kind of object they name.
REFERENCES = {
    "customer": "customer",
    "product": "product",
    "default_price": "price",
    "price": "price",
    "subscription": "subscription",
    "latest_invoice": "invoice",
    "invoice": "invoice",
    "default_tax_rates": "tax_rate",
    "tax_rate": "tax_rate",
}


def public(document: Document) -> Document:
    """The document as the API shows it; internal fields begin with an underscore."""
    shown = {key: value for key, value in document.items() if not key.startswith("_")}
    lines = document.get("_lines")
    if lines is not None:
        noun = "credit_notes" if document["object"] == "credit_note" else "invoices"
        shown["lines"] = page(
            lines[:INLINE_LINES],
            f"/v1/{noun}/{document['id']}/lines",
            has_more=len(lines) > INLINE_LINES,
            total_count=len(lines),
        )
    return shown


def page(data: list[Any], url: str, *, has_more: bool, **extra: Any) -> Document:
    return {"object": "list", "data": data, "has_more": has_more, "url": url, **extra}


def expanded(reader: Reader, document: Document, paths: list[str]) -> Document:
    """Replace ids by objects along `paths`. Raises StripeError for a field without one."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_EXPAND_DEPTH:
            raise StripeError("You can't expand deeper than 4 levels.", param="expand")
        document = _expand(reader, document, parts, path)
    return document


def _expand(reader: Reader, value: Any, parts: list[str], path: str) -> Any:
    if isinstance(value, list):
        return [_expand(reader, item, parts, path) for item in value]
    if not parts or value is None:
        return value
    name, rest = parts[0], parts[1:]
    if not isinstance(value, dict) or not _can_expand(value, name):
        raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
    inner = _resolve(reader, value, name)
    return {**value, name: _expand(reader, inner, rest, path)}


def _can_expand(value: Document, name: str) -> bool:
    return name in value or name == "payments"


def _resolve(reader: Reader, value: Document, name: str) -> Any:
    if name == "payments":
        found = [public(p) for p in reader.find("invoice_payment", "invoice", value["id"])]
        return page(found, "/v1/invoice_payments", has_more=False)
    current = value[name]
    kind = REFERENCES.get(name)
    if isinstance(current, str) and kind:
        document = reader.get(kind, current)
        return public(document) if document else current
    return current
