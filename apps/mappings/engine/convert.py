"""Exact conversions between what platforms write and what the hub means. All raise Unreadable."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.core.money import exponent_of, parse_amount
from apps.mappings.engine.values import Unreadable


def as_text(value: Any) -> str:
    """Text of a scalar; a decimal without exponent, a truth value as true or false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str | int):
        return str(value)
    raise Unreadable(f"{_shown(value)} is not text")


def as_decimal(value: Any) -> Decimal:
    try:
        return parse_amount(value)
    except ValueError as error:
        raise Unreadable(f"{_shown(value)} is not an exact number") from error


def as_integer(value: Any) -> int:
    number = as_decimal(value)
    if number != number.to_integral_value():
        raise Unreadable(f"{as_text(number)} is not a whole number")
    return int(number)


def as_boolean(value: Any) -> bool:
    """True and false, also as the words of XML and forms."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Unreadable(f"{_shown(value)} is neither true nor false")


def as_date(value: Any) -> dt.date:
    """A calendar date from ISO text; of a moment its date as written."""
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value[:10])
        except ValueError:
            pass
    raise Unreadable(f"{_shown(value)} is not a date such as 2026-11-23")


def as_moment(value: Any) -> dt.datetime:
    """An aware moment from ISO text (Salesforce writes +0000 without a colon)."""
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    raise Unreadable(f"{_shown(value)} is not a moment with its time zone")


def date_of_epoch(value: Any) -> dt.date:
    """The UTC date of a moment in seconds since 1970."""
    try:
        return dt.datetime.fromtimestamp(as_integer(value), dt.UTC).date()
    except (OverflowError, OSError, ValueError) as error:
        raise Unreadable(f"{_shown(value)} is not a moment in seconds") from error


def epoch_of_date(value: Any) -> int:
    """Seconds since 1970 of a date's first moment in UTC."""
    day = as_date(value)
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())


def milliseconds_of(value: Any) -> int:
    """Milliseconds since 1970 of a moment: what a modification stamp becomes as a version."""
    moment = as_moment(value)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1000 + moment.microsecond // 1000


def minor_units(amount: Decimal, places: int) -> int:
    scaled = amount.scaleb(places)
    if scaled != scaled.to_integral_value():
        raise Unreadable(f"{as_text(amount)} has more than {places} decimal places")
    return int(scaled)


def places_of(currency: Any, own: Mapping[str, int]) -> int:
    """Decimal places of a currency: the platform's own where it differs from ISO 4217."""
    code = as_text(currency).upper()
    if len(code) != 3 or not code.isalpha():
        raise Unreadable(f"{_shown(currency)} is not a currency code")
    return own.get(code, exponent_of(code))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
