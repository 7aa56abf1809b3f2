"""Bracketed form bodies, typed by the schema they are to be held against."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from tests.contracts.typed_schema import Schema

Tree = dict[str, Any]


def decode_form(text: str) -> Tree:
    """`items[0][price]=x` to nested dictionaries with text leaves."""
    root: Tree = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = re.split(r"\[", name.replace("]", ""))
        path = [head, *rest]
        node = root
        for part in path[:-1]:
            node = node.setdefault(part or str(len(node)), {})
        node[path[-1] or str(len(node))] = value
    return root


def typed(value: Any, schema: Schema, root: Schema) -> Any:
    """Numbers, booleans and lists where the schema wants them; anything else stays text."""
    if "$ref" in schema:
        return typed(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for option in schema.get("anyOf", ()):
        if _fits(value, option, root):
            return typed(value, option, root)
    kind = schema.get("type")
    if isinstance(value, dict):
        if kind == "array":
            keys = sorted(value, key=lambda key: int(key) if key.isdigit() else 0)
            return [typed(value[key], schema["items"], root) for key in keys]
        return {key: typed(item, _property(schema, key), root) for key, item in value.items()}
    return _scalar(value, kind)


def _fits(value: Any, option: Schema, root: Schema) -> bool:
    if "$ref" in option:
        option = root["$defs"][option["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        return option.get("type") in ("array", "object")
    if "enum" in option:
        return value in option["enum"]
    converted = _scalar(value, option.get("type"))
    return option.get("type") in ("string", ["string", "number"]) or converted != value


def _property(schema: Schema, key: str) -> Schema:
    extra = schema.get("additionalProperties")
    found = schema.get("properties", {}).get(key, extra if isinstance(extra, dict) else {})
    return dict(found)


def _scalar(value: Any, kind: Any) -> Any:
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind in ("number", ["string", "number"]) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if kind == "boolean":
        return {"true": True, "false": False}.get(value, value)
    return value
