"""From stored values to the JSON of GET: references, sublists, links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Store
from apps.simulators.netsuite.inputs import label_of
from apps.simulators.netsuite.shapes import Field, RecordType

RECORD_PATH = "/services/rest/record/v1"


class Renderer:
    """Renders records of one call; sublists are links unless expanded."""

    def __init__(self, store: Store, base_url: str, *, expand: bool) -> None:
        self._store, self._base, self._expand = store, base_url, expand

    def record(self, kind: RecordType, document: Document, only: str | None) -> Document:
        """A record; `only` is the comma-separated `fields` parameter."""
        names = only.split(",") if only else list(kind.fields)
        href = self.href(kind.name, document["id"])
        rendered: Document = {"links": [{"rel": "self", "href": href}], "id": document["id"]}
        for name in ("createdDate", "lastModifiedDate"):
            rendered[name] = document[name]
        for name in names:
            field, value = kind.fields.get(name), document.get(name)
            if field is not None and value is not None:
                rendered[name] = self._field(field, value, f"{href}/{name}")
        return rendered

    def href(self, kind: str, key: str) -> str:
        return f"{self._base}{RECORD_PATH}/{kind}/{key}"

    def _field(self, field: Field, value: Any, href: str) -> Any:
        if field.kind == "ref":
            return self._reference(field, value)
        if field.kind == "enum":
            return {"id": value, "refName": value}
        if field.kind == "address":
            return {name: text for name, text in value.items() if text is not None}
        if field.kind == "lines":
            return self._lines(field.fields, value, href)
        return value

    def _lines(self, fields: Mapping[str, Field], items: list[Document], href: str) -> Document:
        link = {"links": [{"rel": "self", "href": href}]}
        if not self._expand:
            return link
        rendered = [
            {
                name: self._field(fields[name], value, href)
                for name, value in item.items()
                if name in fields and value is not None
            }
            for item in items
        ]
        return {**link, "items": rendered, "totalResults": len(rendered)}

    def _reference(self, field: Field, key: str) -> Document:
        kind, label = label_of(self._store, field.to, key)
        links = [{"rel": "self", "href": self.href(kind, key)}]
        return {"links": links, "id": key, "refName": label}
