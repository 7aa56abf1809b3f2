"""Lines and tax details to totals, per currency precision."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.money import exponent, round_half_up
from apps.simulators.core.store import Store
from apps.simulators.netsuite.errors import missing_values, user_error

ZERO = Decimal(0)


def precision(store: Store, currency: str) -> tuple[str, int]:
    """(ISO symbol, decimal places) of a currency record."""
    document = store.get("currency", currency) or {}
    symbol = str(document.get("symbol") or document.get("name") or "USD")
    places = document.get("currencyPrecision")
    return symbol, exponent(symbol) if places is None else int(places)


def priced_lines(items: list[Document], places: int) -> list[Document]:
    """Number the lines and compute each amount; quantity x rate where none is given."""
    if not items:
        raise user_error("You must enter at least one line item for this transaction.")
    priced = []
    for index, item in enumerate(items, 1):
        if item.get("item") is None:
            raise missing_values("Item")
        quantity = item.get("quantity")
        quantity = Decimal(1) if quantity is None else quantity
        amount = item.get("amount")
        if amount is None:
            if item.get("rate") is None:
                raise missing_values("Amount")
            amount = quantity * item["rate"]
        rounded = round_half_up(Decimal(amount), places)
        line = item.get("line") or Decimal(index)
        priced.append({**item, "line": line, "quantity": quantity, "amount": rounded})
    return priced


def tax_entries(store: Store, sale: Document, places: int) -> list[Document]:
    """Tax per line: the overriding tax details, or computed from the lines' tax codes."""
    if sale.get("taxDetailsOverride"):
        return _overriding(sale, places)
    entries = []
    for line in sale["item"]:
        code = store.get("salesTaxItem", line.get("taxCode") or "")
        if code is None:
            continue
        rate = code.get("rate") or ZERO
        entries.append(
            {
                "taxDetailsReference": line.get("taxDetailsReference"),
                "taxCode": code["id"],
                "taxType": code.get("taxType"),
                "taxRate": rate,
                "taxBasis": line["amount"],
                "taxAmount": round_half_up(line["amount"] * rate / 100, places),
            }
        )
    return entries


def _overriding(sale: Document, places: int) -> list[Document]:
    references = {line.get("taxDetailsReference") for line in sale["item"]} - {None}
    entries = []
    for entry in sale.get("taxDetails") or []:
        if entry.get("taxDetailsReference") not in references:
            raise user_error(
                f"Invalid tax details reference {entry.get('taxDetailsReference')}: it matches no "
                f"line.",
                path="taxDetails",
            )
        needed = {"taxCode": "Tax Code", "taxBasis": "Tax Basis", "taxAmount": "Tax Amount"}
        absent = [label for name, label in needed.items() if entry.get(name) is None]
        if absent:
            raise missing_values(*absent)
        entries.append({**entry, "taxAmount": round_half_up(entry["taxAmount"], places)})
    return entries


def sale_totals(lines: list[Document], taxes: list[Document]) -> dict[str, Any]:
    subtotal = sum((line["amount"] for line in lines), ZERO)
    tax = sum((entry["taxAmount"] for entry in taxes), ZERO)
    return {"subtotal": subtotal, "taxTotal": tax, "total": subtotal + tax}
