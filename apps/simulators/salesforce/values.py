"""One field's value on its way in: type, length, picklist, format."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.simulators.core.money import round_half_up
from apps.simulators.salesforce.errors import SalesforceError
from apps.simulators.salesforce.fields import Field
from apps.simulators.salesforce.ids import long_id


def moment_text(moment: datetime) -> str:
    """2026-11-23T10:50:00.123+0000; equal width, so it sorts as text."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}+0000"


def clean(field: Field, value: Any) -> Any:
    """The value as it is stored. Raises SalesforceError as the API words it."""
    if value is None or value == "":
        return False if field.kind == "boolean" else None
    return _CLEANERS[field.kind](field, value)


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, "STRING", value)
    if len(value) > field.length:
        raise SalesforceError(
            "STRING_TOO_LONG",
            f"{field.name}: data value too large: {value[:200]} (max length={field.length})",
            fields=(field.name,),
        )
    if field.choices and value not in field.choices:
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.name}: bad value for restricted picklist field: {value}",
            fields=(field.name,),
        )
    return value


def _boolean(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(field, "boolean", value)
    return value


def _number(field: Field, value: Any) -> Decimal:
    """Numbers, also as text, rounded to the field's scale."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise _wrong_type(field, "double", value)
    try:
        return round_half_up(Decimal(value), field.scale)
    except InvalidOperation:
        raise _wrong_type(field, "double", value) from None


def _date(field: Field, value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (ValueError, TypeError):
        raise _wrong_type(field, "date", value) from None


def _moment(field: Field, value: Any) -> str:
    try:
        parsed = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise _wrong_type(field, "datetime", value) from None
    return moment_text(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _reference(field: Field, value: Any) -> str:
    if not isinstance(value, str) or len(value) not in (15, 18):
        raise SalesforceError(
            "MALFORMED_ID",
            f"{field.name}: id value of incorrect type: {value}",
            fields=(field.name,),
        )
    return long_id(value)


def _wrong_type(field: Field, wanted: str, value: Any) -> SalesforceError:
    kind = {str: "STRING", bool: "BOOLEAN", dict: "OBJECT", list: "ARRAY"}.get(
        type(value), "NUMBER"
    )
    return SalesforceError(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {wanted} from VALUE_{kind} value {value} "
        f"(field {field.name})",
        fields=(field.name,),
    )


_CLEANERS = {
    "id": _reference,
    "text": _text,
    "boolean": _boolean,
    "number": _number,
    "date": _date,
    "datetime": _moment,
    "reference": _reference,
}
