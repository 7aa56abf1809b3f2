"""Python annotations of the pinned `stripe` package turned into JSON Schema."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import typing_extensions

Schema = dict[str, Any]
OfClass = Callable[[type], Schema]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Decimal: {"type": ["string", "number"]},
    Any: {},
    object: {},
}


def schema_of(annotation: Any, owner: type, of_class: OfClass) -> Schema:
    """The schema of one annotation; `of_class` decides about classes and typed dicts."""
    resolved = resolve(annotation, owner)
    if resolved in _SCALARS:
        return dict(_SCALARS[resolved])
    origin = typing_extensions.get_origin(resolved)
    arguments = typing_extensions.get_args(resolved)
    if origin in (typing.Literal, typing_extensions.Literal):
        return {"enum": list(arguments)}
    if origin is None:
        return of_class(resolved) if isinstance(resolved, type) else {}
    return _generic(origin, [schema_of(each, owner, of_class) for each in arguments])


def _generic(origin: Any, inner: list[Schema]) -> Schema:
    """A union, list, dictionary or one of the package's own containers."""
    if origin in (typing.Union, types.UnionType):
        return _union(inner)
    if origin is list:
        return {"type": "array", "items": inner[0]}
    if origin is dict:
        return {"type": "object", "additionalProperties": inner[1]}
    if origin.__name__ in ("ListObject", "SearchResultObject"):
        return _list(inner[0])
    return {"type": "object"}  # UntypedStripeObject: keys of the caller's choice


def _union(options: list[Schema]) -> Schema:
    """An open enumeration (known values or any text) is held to its known values."""
    closed = [o for o in options if "enum" in o and o["enum"] != [""]]
    if closed:
        options = [o for o in options if o != {"type": "string"}]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _list(item: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["object", "data", "has_more"],
        "properties": {
            "object": {"enum": ["list", "search_result"]},
            "data": {"type": "array", "items": item},
            "has_more": {"type": "boolean"},
            "url": {"type": "string"},
        },
    }


def resolve(annotation: Any, owner: type) -> Any:
    """Evaluate quoted annotations in the module of `owner`; unknown names become Any."""
    while isinstance(annotation, (str, typing.ForwardRef)):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        try:
            annotation = eval(text, _namespace(owner.__module__))  # noqa: S307 - pinned package
        except NameError:
            return Any
    return annotation


@functools.cache
def _namespace(module_name: str) -> dict[str, Any]:
    """Names of a module, with those it imports for type checkers only."""
    module = sys.modules[module_name]
    names: dict[str, Any] = {**vars(typing), **vars(typing_extensions), **vars(module)}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("stripe"):
            continue
        source = importlib.import_module(str(node.module))
        for alias in node.names:
            if hasattr(source, alias.name):
                names.setdefault(alias.asname or alias.name, getattr(source, alias.name))
    return names
