"""JSON in and out with exact numbers: a decimal stays a decimal on its whole way."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

Document = dict[str, Any]


def dumps(value: Any) -> bytes:
    """Encode to JSON; Decimal is written as a plain number with all its digits."""
    return orjson.dumps(value, default=_encode, option=orjson.OPT_NON_STR_KEYS)


def loads(raw: bytes | str) -> Any:
    """Decode JSON; numbers with a point become Decimal. Raises ValueError on bad JSON."""
    return json.loads(raw, parse_float=Decimal)


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
