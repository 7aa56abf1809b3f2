"""Tryton's typed JSON: decimals, dates, and the fields that hold them."""

import base64
import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

DECIMALS = frozenset({"unit_price", "debit", "credit", "amount", "amount_second_currency"})
DATES = frozenset({"invoice_date", "accounting_date", "date"})
FLOATS = frozenset({"quantity"})  # a float on Tryton's wire; never an amount of money

_PERIOD = re.compile(
    r"(closed|locked).{0,80}(period|fiscal year)|(period|fiscal year).{0,120}(closed|locked)|"
    r"reopen the (period|fiscal year)|"
    r"no (?:open )?(period|fiscal year)|to (?:the|a) closed period",
    re.IGNORECASE | re.DOTALL,
)
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_PERIOD, "period_closed"),
    (re.compile(r"must be unique|already", re.I), "conflict"),
    (re.compile(r"does not exist", re.I), "unknown_reference"),
    (re.compile(r"a value is required|is required", re.I), "field_refused"),
    (re.compile(r"balance|pending", re.I), "unbalanced_entry"),
)


def code_of(text: str) -> str:
    """The taxonomy's code of a UserError's text; one that none knows is a business rule."""
    return next((code for pattern, code in _TEXTS if pattern.search(text)), "rejected_by_vendor")


def typed(values: Any, name: str = "") -> Any:
    """Plain JSON values with Tryton's types where a field needs one."""
    if isinstance(values, Mapping):
        return {key: typed(item, str(key)) for key, item in values.items()}
    if isinstance(values, list | tuple):
        return [typed(item, name) for item in values]
    if values is None or name not in DECIMALS | DATES | FLOATS:
        return values
    return _typed_scalar(values, name)


def _typed_scalar(value: Any, name: str) -> Any:
    if name in DECIMALS:
        return {"__class__": "Decimal", "decimal": str(value)}
    if name in DATES:
        day = dt.date.fromisoformat(str(value))
        return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}
    return float(value)


def untyped(value: Any) -> Any:
    """Tryton's typed JSON as Python values; an unknown type stays as it came."""
    if isinstance(value, list):
        return [untyped(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    reader = _READERS.get(str(value.get("__class__")))
    return reader(value) if reader else {key: untyped(item) for key, item in value.items()}


def _moment(value: Mapping[str, Any]) -> dt.datetime:
    return dt.datetime(
        value["year"],
        value["month"],
        value["day"],
        value["hour"],
        value["minute"],
        value["second"],
        tzinfo=dt.UTC,
    )


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "Decimal": lambda value: Decimal(value["decimal"]),
    "date": lambda value: dt.date(value["year"], value["month"], value["day"]),
    "datetime": _moment,
}


def session_header(login: str, user_id: int, token: str) -> str:
    """``Authorization`` of a session."""
    return "Session " + base64.b64encode(f"{login}:{user_id}:{token}".encode()).decode()
