"""Form bodies with brackets, read against a declared shape per endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from apps.simulators.stripe.errors import ValidationError

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_INTEGER = re.compile(r"^-?\d+$")
MAX_METADATA_KEYS = 50  # docs.stripe.com/api/metadata
MAX_METADATA_VALUE = 500


@dataclass(frozen=True, slots=True)
class Field:
    """Expected shape of one parameter; kind is one of text, integer, boolean, decimal,
    choice, table (metadata), object, list."""

    kind: str
    choices: tuple[str, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)
    item: Field | None = None
    needs: tuple[str, ...] = ()


TEXT = Field("text")
INTEGER = Field("integer")
BOOLEAN = Field("boolean")
DECIMAL = Field("decimal")
METADATA = Field("table")
TEXTS = Field("list", item=TEXT)


def choice(*values: str) -> Field:
    return Field("choice", choices=values)


def record(*needs: str, **fields: Field) -> Field:
    """An object of the given fields; those in `needs` must be present."""
    return Field("object", fields=fields, needs=needs)


def many(item: Field) -> Field:
    return Field("list", item=item)


RANGE = Field("range")  # a timestamp, or {gt, gte, lt, lte}


def decode(form: str) -> dict[str, Any]:
    """`a[b][0][c]=1&d[]=2` to nested dictionaries; list positions stay keys for now."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        found = _KEY.match(name)
        if not found:
            raise ValidationError(f"Invalid parameter name: {name}", param=name)
        path = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
        _place(root, path, value)
    return root


def _place(root: dict[str, Any], path: list[str], value: str) -> None:
    node = root
    for part, following in pairwise(path):
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise ValidationError(f"Invalid object: {part}[{following}]", param=part)
        node = child
    node[path[-1] or str(len(node))] = value


def read(raw: Mapping[str, Any], shape: Field) -> dict[str, Any]:
    """Check and type a decoded form. Raises ValidationError as Stripe words it."""
    return _object(raw, shape, "")


def _value(raw: Any, shape: Field, name: str) -> Any:
    if raw == "" and shape.kind not in ("text", "table"):
        return None
    if shape.kind in ("object", "list", "table", "range"):
        return _CONTAINERS[shape.kind](raw, shape, name)
    if not isinstance(raw, str):
        raise ValidationError(f"Invalid {shape.kind}: {raw}", param=name)
    return _SCALARS[shape.kind](raw, shape, name)


def _object(raw: Any, shape: Field, name: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise ValidationError("Invalid object", param=name)
    unknown = [key for key in raw if key not in shape.fields]
    if unknown:
        param = _join(name, unknown[0])
        raise ValidationError(
            f"Received unknown parameter: {param}", code="parameter_unknown", param=param
        )
    for key in shape.needs:
        if raw.get(key) in (None, ""):
            param = _join(name, key)
            raise ValidationError(
                f"Missing required param: {param}.", code="parameter_missing", param=param
            )
    return {key: _value(item, shape.fields[key], _join(name, key)) for key, item in raw.items()}


def _list(raw: Any, shape: Field, name: str) -> list[Any]:
    if not isinstance(raw, Mapping) or shape.item is None:
        raise ValidationError("Invalid array", param=name)
    if not all(_INTEGER.match(key) for key in raw):
        raise ValidationError("Invalid array", param=name)
    return [_value(raw[key], shape.item, f"{name}[{key}]") for key in sorted(raw, key=int)]


def _table(raw: Any, _shape: Field, name: str) -> dict[str, str]:
    """Metadata; an empty text (for one key or for all) means remove."""
    if raw == "":
        return {"": ""}
    if not isinstance(raw, Mapping) or any(isinstance(item, Mapping) for item in raw.values()):
        raise ValidationError("Invalid hash", param=name)
    too_long = [key for key, item in raw.items() if len(item) > MAX_METADATA_VALUE]
    if too_long or len(raw) > MAX_METADATA_KEYS:
        limit = "values can have up to 500 characters" if too_long else "can have up to 50 keys"
        raise ValidationError(f"Metadata {limit}", param=name)
    return dict(raw)


def _range(raw: Any, _shape: Field, name: str) -> dict[str, int]:
    if isinstance(raw, str):
        moment = _integer(raw, INTEGER, name)
        return {"gte": moment, "lte": moment}
    bounds = dict.fromkeys(("gt", "gte", "lt", "lte"), INTEGER)
    return _object(raw, Field("object", fields=bounds), name)


def _text(raw: str, _shape: Field, _name: str) -> str:
    return raw


def _integer(raw: str, _shape: Field, name: str) -> int:
    if not _INTEGER.match(raw):
        raise ValidationError(
            f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name
        )
    return int(raw)


def _boolean(raw: str, _shape: Field, name: str) -> bool:
    if raw not in ("true", "false"):
        raise ValidationError(f"Invalid boolean: {raw}", param=name)
    return raw == "true"


def _decimal(raw: str, _shape: Field, name: str) -> Decimal:
    try:
        return Decimal(raw)
    except InvalidOperation:
        raise ValidationError(f"Invalid decimal: {raw}", param=name) from None


def _choice(raw: str, shape: Field, name: str) -> str:
    if raw not in shape.choices:
        allowed = ", ".join(shape.choices[:-1])
        listed = f"{allowed}, or {shape.choices[-1]}" if allowed else shape.choices[-1]
        raise ValidationError(f"Invalid {name}: must be one of {listed}", param=name)
    return raw


def _join(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


_CONTAINERS = {"object": _object, "list": _list, "table": _table, "range": _range}
_SCALARS = {
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "decimal": _decimal,
    "choice": _choice,
}
