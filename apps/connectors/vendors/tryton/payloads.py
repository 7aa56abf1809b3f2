"""Tryton's own documents from the mapping's output, which names things by code."""

from collections.abc import Mapping
from typing import Any

from apps.connectors.vendors.tryton.references import References


async def party_values(names: References, payload: Mapping[str, Any]) -> dict[str, Any]:
    """``{hub_external_id, name, address: {street, city, postal_code, country}}`` → a party."""
    address = dict(payload.get("address") or {})
    country = address.pop("country", None)
    if country:
        found = await names.find("country.country", str(country), "address.country")
        address["country"] = found["id"]
    return {"name": payload["name"], "addresses": [["create", [address]]]}


async def invoice_values(names: References, payload: Mapping[str, Any]) -> dict[str, Any]:
    """``{party, currency, reference, invoice_date, accounting_date, lines: [{product,
    description, quantity, unit_price, tax, analytic}]}`` → a customer invoice."""
    party = await names.find("party.party", str(payload["party"]), "party")
    currency = await names.find("currency.currency", str(payload["currency"]), "currency")
    receivable = [["type.receivable", "=", True], ["company", "=", names.company]]
    lines = [
        await _invoice_line(names, line, currency["id"], f"lines[{number}]")
        for number, line in enumerate(payload["lines"])
    ]
    return {
        "type": "out",
        "company": names.company,
        "party": party["id"],
        "invoice_address": (party["addresses"] or [None])[0],
        "currency": currency["id"],
        "account": await names.first("account.account", receivable, "receivable account"),
        "journal": await names.first(
            "account.journal", [["type", "=", "revenue"]], "revenue journal"
        ),
        "payment_term": await names.first("account.invoice.payment_term", [], "payment term"),
        "invoice_date": payload["invoice_date"],
        "accounting_date": payload.get("accounting_date"),
        "reference": payload.get("reference"),
        "lines": [["create", lines]],
    }


async def _invoice_line(
    names: References, line: Mapping[str, Any], currency: int, where: str
) -> dict[str, Any]:
    product = await names.find("product.product", str(line["product"]), f"{where}.product")
    template = product["template."]
    values = {
        "type": "line",
        "company": names.company,
        "currency": currency,
        "product": product["id"],
        "description": line.get("description") or template["name"],
        "quantity": line["quantity"],
        "unit": template["default_uom"],
        "unit_price": line["unit_price"],
        "account": (template["account_category."] or {}).get("account_revenue"),
    }
    if line.get("tax"):
        tax = await names.find("account.tax", str(line["tax"]), f"{where}.tax")
        values["taxes"] = [["add", [tax["id"]]]]
    if line.get("analytic"):
        dimension = await _dimension(names, line, where)
        entry = {"root": dimension["root"], "account": dimension["id"]}
        values["analytic_accounts"] = [["create", [entry]]]
    return values


async def move_values(names: References, payload: Mapping[str, Any]) -> dict[str, Any]:
    """``{date, description, lines: [{account, debit, credit, description, analytic}]}`` → a
    move; each line's analytic line bears its whole amount."""
    date = payload["date"]
    period = await names.first(
        "account.period",
        [["start_date", "<=", _date(date)], ["end_date", ">=", _date(date)],
         ["type", "=", "standard"], ["company", "=", names.company]],
        "accounting period of that date",
    )  # fmt: skip
    lines = [
        await _move_line(names, line, date, f"lines[{number}]")
        for number, line in enumerate(payload["lines"])
    ]
    return {
        "company": names.company,
        "journal": await names.first(
            "account.journal", [["type", "=", "general"]], "general journal"
        ),
        "period": period,
        "date": date,
        "description": payload.get("description"),
        "lines": [["create", lines]],
    }


async def _move_line(
    names: References, line: Mapping[str, Any], date: str, where: str
) -> dict[str, Any]:
    account = await names.find("account.account", str(line["account"]), f"{where}.account")
    values = {
        "account": account["id"],
        "debit": line.get("debit") or "0",
        "credit": line.get("credit") or "0",
        "description": line.get("description"),
    }
    if line.get("analytic"):
        dimension = await _dimension(names, line, where)
        entry = {
            "account": dimension["id"],
            "debit": values["debit"],
            "credit": values["credit"],
            "date": date,
        }
        values["analytic_lines"] = [["create", [entry]]]
    return values


async def _dimension(names: References, line: Mapping[str, Any], where: str) -> dict[str, Any]:
    return await names.find("analytic_account.account", str(line["analytic"]), f"{where}.analytic")


def _date(text: str) -> dict[str, Any]:
    year, month, day = (int(part) for part in text.split("-"))
    return {"__class__": "date", "year": year, "month": month, "day": day}
