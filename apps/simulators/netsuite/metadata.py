"""The metadata catalog: a record type as the vendor's own OpenAPI 3 schema."""

from __future__ import annotations

from apps.simulators.core.calls import Reply
from apps.simulators.core.codec import Document
from apps.simulators.netsuite.errors import NetSuiteError
from apps.simulators.netsuite.shapes import RECORD_TYPES, Field

_TYPES: dict[str, Document] = {
    "text": {"type": "string"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "ref": {"$ref": "#/components/schemas/nsResource"},
    "enum": {"type": "object", "properties": {"id": {"type": "string"}}},
}


def catalog(name: str) -> Reply:
    kind = RECORD_TYPES.get(name)
    if kind is None:
        raise NetSuiteError("NONEXISTENT_ID", f"Record '{name}' was not found.", status=404)
    properties = {name: _schema(field) for name, field in kind.fields.items()}
    resource = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("id", "refName", "externalId")},
    }
    schemas = {kind.name: {"type": "object", "properties": properties}, "nsResource": resource}
    body = {
        "openapi": "3.0.1",
        "info": {"title": "NetSuite REST Record API", "version": "v1"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    return Reply(200, body, content_type="application/swagger+json; charset=UTF-8")


def _schema(field: Field) -> Document:
    if field.kind in _TYPES:
        plain = _TYPES[field.kind]
        return {**plain, "readOnly": True} if field.read_only else plain
    inner = {name: _schema(each) for name, each in field.fields.items()}
    element: Document = {"type": "object", "properties": inner}
    if field.kind == "address":
        return element
    return {"type": "object", "properties": {"items": {"type": "array", "items": element}}}
