"""The one JSON form: sorted keys, decimals and dates as strings, no NUL, no NaN."""

import datetime as dt
import enum
import hashlib
import json
import re
import uuid
from decimal import Decimal
from typing import Any

# The escape of U+0000, and not a backslash that is itself escaped before "u0000".
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form in the hub")


class HubEncoder(json.JSONEncoder):
    """Encoder for ``JSONField``: the same form as :func:`dumps`."""

    def default(self, o: Any) -> Any:
        return _plain(o)


_CANONICAL = json.JSONEncoder(
    default=_plain,
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
)


def dumps(value: Any) -> str:
    """Canonical text of a value: equal values give equal text.

    Raises ``TypeError`` for a type without a JSON form, ``ValueError`` for NaN or infinity.
    """
    text = _CANONICAL.encode(value)
    # PostgreSQL's jsonb refuses U+0000; a vendor's stray NUL must not lose the row.
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def storable(text: str) -> str:
    """Text as PostgreSQL takes it: neither U+0000 nor half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def loads(text: str | bytes) -> Any:
    """Parse JSON with every non-integer number as ``Decimal``, so money never becomes a float."""
    return json.loads(text, parse_float=Decimal)


def to_json(value: Any) -> Any:
    """The value as plain JSON types (decimals and dates become strings)."""
    return json.loads(dumps(value))


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of the canonical text."""
    return text_hash(dumps(value).encode())


def text_hash(text: bytes) -> str:
    """SHA-256 (hex) of a canonical text that is at hand already."""
    return hashlib.sha256(text).hexdigest()
