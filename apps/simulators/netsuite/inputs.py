"""From a JSON body to stored values: types, references, unknown names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Store
from apps.simulators.netsuite.errors import NetSuiteError, invalid_value
from apps.simulators.netsuite.shapes import RECORD_TYPES, Field

IGNORED_NAMES = frozenset({"links", "refName", "totalResults", "id"})


class Inputs:
    """Reads one body; with `strict` an unknown field is refused, else it is dropped."""

    def __init__(self, store: Store, *, strict: bool) -> None:
        self._store, self._strict = store, strict

    def read(
        self, fields: Mapping[str, Field], body: Mapping[str, Any], prefix: str = ""
    ) -> Document:
        """Stored values of `body`. Raises NetSuiteError with the path of the culprit."""
        values: Document = {}
        for name, raw in body.items():
            path = f"{prefix}{name}"
            known = fields.get(name)
            if known is None:
                self._refuse_unknown(name, path)
            elif not known.read_only:
                values[name] = self._value(known, raw, path)
        return values

    def _refuse_unknown(self, name: str, path: str) -> None:
        if self._strict and name not in IGNORED_NAMES:
            raise NetSuiteError(
                "INVALID_CONTENT",
                f"Error while accessing a resource. The field '{name}' does not exist on this "
                f"record.",
                path=path,
            )

    def _value(self, field: Field, raw: Any, path: str) -> Any:
        if raw is None:
            return None
        readers = {
            "text": _text,
            "number": _number,
            "boolean": _boolean,
            "date": _date,
        }
        if field.kind in readers:
            return readers[field.kind](raw, path)
        if field.kind == "ref":
            return self._reference(field, raw, path)
        if field.kind == "address":
            return self.read(field.fields, _object(raw, path), f"{path}.")
        items = raw.get("items") if isinstance(raw, Mapping) else None
        if not isinstance(items, list):
            raise invalid_value(raw, path)
        return [
            self.read(field.fields, _object(item, path), f"{path}.items[{index}].")
            for index, item in enumerate(items)
        ]

    def _reference(self, field: Field, raw: Any, path: str) -> str:
        """The internal id of {"id": "5"} or {"externalId": "X"} (or a plain id)."""
        given = raw if isinstance(raw, Mapping) else {"id": raw}
        key, external = given.get("id"), given.get("externalId")
        if key is not None and str(key).lower().startswith("eid:"):
            key, external = None, str(key)[4:]
        for kind in field.to:
            if external is not None:
                found = self._store.find(kind, "externalId", str(external))
                if found:
                    return str(found[0]["id"])
            elif key is not None and self._store.get(kind, str(key)):
                return str(key)
        if external is not None:
            raise NetSuiteError(
                "INVALID_KEY_OR_REF",
                f"Error while accessing a resource. Invalid reference externalId {external} for "
                f"the following field: {path.rpartition('.')[2]}",
                path=path,
            )
        raise invalid_value(key, path)


def label_of(store: Store, kinds: tuple[str, ...], key: str) -> tuple[str, str]:
    """(record type, display name) of a referenced record."""
    for kind in kinds:
        document = store.get(kind, key)
        if document:
            return kind, str(document.get(RECORD_TYPES[kind].label) or key)
    return (kinds[0] if kinds else "", key)


def _object(raw: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise invalid_value(raw, path)
    return raw


def _text(raw: Any, path: str) -> str:
    if isinstance(raw, Mapping):  # enumerations come as {"id": "..."}
        raw = raw.get("id")
    if not isinstance(raw, (str, int)) or isinstance(raw, bool):
        raise invalid_value(raw, path)
    return str(raw)


def _number(raw: Any, path: str) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, (int, Decimal)):
        raise invalid_value(raw, path)
    return Decimal(raw)


def _boolean(raw: Any, path: str) -> bool:
    if not isinstance(raw, bool):
        raise invalid_value(raw, path)
    return raw


def _date(raw: Any, path: str) -> str:
    try:
        return date.fromisoformat(raw).isoformat()
    except (ValueError, TypeError):
        raise invalid_value(raw, path) from None
