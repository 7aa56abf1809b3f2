"""What the pinned `stripe` package lets a caller send, per endpoint."""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stripe
import typing_extensions
from stripe._request_options import RequestOptions

from tests.contracts.typed_schema import Schema, resolve, schema_of

_ROOT = Path(stripe.__file__).parent
_REQUEST = re.compile(r'self\._request\(\s*"(get|post|delete)",\s*"(/v1/[^"]+)"')
_PARAMETERS = re.compile(r'"(\w+Params)"')


@dataclass(frozen=True)
class Endpoint:
    """A method and path template with the class of its parameters."""

    method: str
    template: str
    module: str
    parameters: str | None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", self.template) + "$")


@functools.cache
def endpoints() -> dict[str, list[Endpoint]]:
    """All v1 endpoints by HTTP method; literal paths come before templates."""
    found: dict[str, list[Endpoint]] = {"GET": [], "POST": [], "DELETE": []}
    for file in sorted(_ROOT.glob("**/_*_service.py")):
        text = file.read_text()
        for match in _REQUEST.finditer(text):
            header = text[text.rfind("\n    def ", 0, match.start()) : match.start()]
            name = _PARAMETERS.search(header)
            found[match[1].upper()].append(
                Endpoint(match[1].upper(), match[2], *_origin(text, name[1] if name else None))
            )
    for each in found.values():
        each.sort(key=lambda endpoint: endpoint.template.count("{"))
    return found


def _origin(text: str, name: str | None) -> tuple[str, str | None]:
    """The module from which a service imports its parameter class."""
    if name is None:
        return "", None
    found = re.search(rf"from (stripe\.params[\w.]*) import (?:\(\s*)?{name}\b", text)
    return (found[1], name) if found else ("", None)


def find_endpoint(method: str, path: str) -> Endpoint | None:
    candidates = endpoints().get(method.upper(), [])
    return next((endpoint for endpoint in candidates if endpoint.pattern.match(path)), None)


@functools.cache
def request_schema(method: str, path: str) -> Schema | None:
    """The schema of an endpoint's parameters, or None when there is no such endpoint."""
    endpoint = find_endpoint(method, path)
    if endpoint is None:
        return None
    if endpoint.parameters is None:
        return {"type": "object", "additionalProperties": False}
    module = importlib.import_module(endpoint.module)
    builder = _Builder()
    top = builder.typed_dict(getattr(module, endpoint.parameters))
    return {**top, "$defs": builder.definitions}


class _Builder:
    """Typed dicts by name, so that shared ones are written once."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def typed_dict(self, cls: type) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for name, annotation in _own_annotations(cls).items():
            resolved = resolve(annotation, cls)
            optional = typing_extensions.get_origin(resolved) is typing_extensions.NotRequired
            if optional:
                resolved = typing_extensions.get_args(resolved)[0]
            else:
                required.append(name)
            properties[name] = schema_of(resolved, cls, self.reference)
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def reference(self, cls: type) -> Schema:
        if not typing_extensions.is_typeddict(cls):
            return {"type": "object"}
        if cls.__name__ not in self.definitions:
            self.definitions[cls.__name__] = {}
            self.definitions[cls.__name__] = self.typed_dict(cls)
        return {"$ref": f"#/$defs/{cls.__name__}"}


def _own_annotations(cls: Any) -> dict[str, Any]:
    """Fields of a parameter class without those of the SDK's own request options."""
    options = RequestOptions.__annotations__
    return {name: each for name, each in cls.__annotations__.items() if name not in options}
