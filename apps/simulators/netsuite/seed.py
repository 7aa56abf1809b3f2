"""Setting up the account: what its administrator would have entered beforehand."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.netsuite.company import Company
from apps.simulators.netsuite.errors import NetSuiteError
from apps.simulators.netsuite.inputs import Inputs
from apps.simulators.netsuite.shapes import RECORD_TYPES

# Lists of a seed and the record type of their entries, in the order of their references.
LISTS = {
    "currencies": "currency",
    "subsidiaries": "subsidiary",
    "departments": "department",
    "classes": "classification",
    "locations": "location",
    "accounts": "account",
    "taxTypes": "taxType",
    "taxCodes": "salesTaxItem",
    "items": "serviceSaleItem",
    "periods": "accountingPeriod",
}
PERIOD_FLAGS = ("closed", "arLocked", "apLocked", "allLocked")


def seed(company: Company, spec: Document) -> Document:
    """Create or change the listed records by external id; returns their internal ids.

    An entry has the record's own field names; `id` may choose the internal id. References are
    {"externalId": …}, {"id": …} or a plain external id. `periods` entries are
    {"month": "2026-11", "closed": false, …}. `mandatory_segments` sets the preference.
    """
    unknown = set(spec) - set(LISTS) - {"mandatory_segments"}
    if unknown:
        raise ValueError(f"unknown lists {sorted(unknown)}; known are {sorted(LISTS)}")
    made: dict[str, dict[str, str]] = {}
    with company.store.unit():
        for name, kind in LISTS.items():
            entries = [_period(e) if name == "periods" else e for e in spec.get(name, [])]
            made[name] = dict(_put(company, kind, entry) for entry in entries)
        if "mandatory_segments" in spec:
            company.kit.set("mandatory_segments", list(spec["mandatory_segments"]))
    return {name: ids for name, ids in made.items() if ids}


def change_period(company: Company, spec: Document) -> Document:
    """Control API: {"month": "2026-11" or "id": …, closed?, arLocked?, apLocked?, allLocked?}."""
    wanted = spec.get("externalId") or spec.get("month")
    for period in company.store.all("accountingPeriod"):
        if spec.get("id") == period["id"] or (wanted and period["externalId"] == wanted):
            flags = {name: bool(spec[name]) for name in PERIOD_FLAGS if name in spec}
            closed = {"closedOnDate": company.today()} if flags.get("closed") else {}
            kind = RECORD_TYPES["accountingPeriod"]
            return company.save(kind, period, {**period, **flags, **closed})
    raise ValueError(f"there is no period {wanted or spec.get('id')}")


def _put(company: Company, kind_name: str, entry: Document) -> tuple[str, str]:
    kind = RECORD_TYPES[kind_name]
    values = {**entry}
    chosen = values.pop("id", None)
    external = str(values.pop("externalId", None) or values.get(kind.label))
    for name, field in kind.fields.items():
        if field.kind == "ref" and isinstance(values.get(name), str):
            values[name] = {"externalId": values[name]}
        if field.kind == "number" and isinstance(values.get(name), str):
            values[name] = Decimal(values[name])
    found = company.store.find(kind.name, "externalId", external)
    before = found[0] if found else None
    try:
        cleaned = Inputs(company.store, strict=True).read(kind.fields, values)
    except NetSuiteError as mistake:
        raise ValueError(f"{kind.name} {external}: {mistake.path}: {mistake.detail}") from None
    cleaned["externalId"] = external
    key = before["id"] if before else str(chosen or company.new_id(kind))
    company.save(kind, before, {**(before or {}), **cleaned, "id": key})
    return external, key


def _period(entry: Document) -> Document:
    """A calendar month as an accounting period named like "Nov 2026"."""
    values: dict[str, Any] = {**entry}
    month = values.pop("month", None)
    if month is None:
        return values
    year, number = (int(part) for part in str(month).split("-"))
    first = date(year, number, 1)
    last = date(year, number, monthrange(year, number)[1])
    return {
        "externalId": month,
        "periodName": first.strftime("%b %Y"),
        "startDate": first.isoformat(),
        "endDate": last.isoformat(),
        **dict.fromkeys(PERIOD_FLAGS, False),
        **values,
    }
