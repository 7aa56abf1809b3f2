"""Schema files of ours, and violations as short sentences."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

SCHEMAS = Path(__file__).parent / "schemas"


@functools.cache
def schema_file(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return document


@functools.cache
def definition(name: str, key: str) -> Draft202012Validator:
    """A validator for one `$defs` entry of a schema file. Raises KeyError when absent."""
    document = schema_file(name)
    if key not in document["$defs"]:
        raise KeyError(key)
    schema = {"$ref": f"#/$defs/{key}", "$defs": document["$defs"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def problems(validator: Draft202012Validator, document: Any) -> list[str]:
    """`path: message` for each violation, in document order."""
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:160]}" for e in errors]
