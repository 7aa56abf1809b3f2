"""record/v1: create, read, change, upsert by external id, delete, list, transform."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, loads
from apps.simulators.core.store import Reader
from apps.simulators.netsuite.company import Company
from apps.simulators.netsuite.errors import NetSuiteError, nonexistent, user_error
from apps.simulators.netsuite.inputs import Inputs
from apps.simulators.netsuite.rendering import RECORD_PATH, Renderer
from apps.simulators.netsuite.shapes import CREDIT_MEMO, INVOICE, RECORD_TYPES, RecordType
from apps.simulators.netsuite.transactions import check_open, complete, undo_effects

CONTENT_TYPE = "application/vnd.oracle.resource+json; type=singular; charset=UTF-8"
LIST_TYPE = "application/vnd.oracle.resource+json; type=collection; charset=UTF-8"
MAX_LIMIT = 1000
_CONDITION = re.compile(
    r"""^\s*(\w+)\s+(IS|EQUAL|CONTAIN|START_WITH|ON_OR_AFTER|ON_OR_BEFORE)\s+"?([^"]*)"?\s*$""",
    re.IGNORECASE,
)


class Records:
    """Handlers of the record resources; each takes the call and its path parameters."""

    def __init__(self, company: Company) -> None:
        self._company, self._store = company, company.store

    # Reading

    def retrieve(self, call: Call, path: Document) -> Reply:
        kind = kind_named(path["kind"])
        document = self._find(kind, path["id"], self._reader(call))
        options = call.parameters()
        expand = options.get("expandSubResources", "").lower() == "true"
        renderer = Renderer(self._store, call.base_url, expand=expand)
        rendered = renderer.record(kind, document, options.get("fields"))
        return Reply(200, rendered, content_type=CONTENT_TYPE)

    def list_records(self, call: Call, path: Document) -> Reply:
        kind, options = kind_named(path["kind"]), call.parameters()
        limit, offset = page_of(options)
        test = _condition(options.get("q"))
        found = [d for d in self._reader(call).all(kind.name) if test(d)]
        renderer = Renderer(self._store, call.base_url, expand=False)
        window = found[offset : offset + limit]
        items = [
            {"links": [{"rel": "self", "href": renderer.href(kind.name, d["id"])}], "id": d["id"]}
            for d in window
        ]
        href = f"{call.base_url}{RECORD_PATH}/{kind.name}"
        body = {
            "links": [{"rel": "self", "href": href}],
            "count": len(items),
            "hasMore": offset + limit < len(found),
            "items": items,
            "offset": offset,
            "totalResults": len(found),
        }
        return Reply(200, body, content_type=LIST_TYPE)

    def sublist(self, call: Call, path: Document) -> Reply:
        """GET …/invoice/5/item: one sublist, expanded."""
        kind = kind_named(path["kind"])
        document = self._find(kind, path["id"], self._reader(call))
        if path["sublist"] not in kind.fields:
            raise nonexistent()
        renderer = Renderer(self._store, call.base_url, expand=True)
        rendered = renderer.record(kind, document, path["sublist"])
        content = rendered.get(path["sublist"], {"items": [], "totalResults": 0})
        return Reply(200, content, content_type=LIST_TYPE)

    # Writing

    def create(self, call: Call, path: Document) -> Reply:
        kind = _writable(path["kind"])
        values = self._values(kind, call)
        return self._saved(call, kind, None, {**values, "id": self._company.new_id(kind)})

    def change(self, call: Call, path: Document) -> Reply:
        kind = _writable(path["kind"])
        before = self._find(kind, path["id"], self._store)
        values = self._values(kind, call)
        replaced = set(call.parameters().get("replace", "").split(","))
        merged = _merged(kind, before, values, replaced)
        return self._saved(call, kind, before, merged)

    def upsert(self, call: Call, path: Document) -> Reply:
        """PUT …/eid:X creates or changes; PUT on an internal id does not exist."""
        kind = _writable(path["kind"])
        if not path["id"].startswith("eid:"):
            raise NetSuiteError(
                "INVALID_CONTENT",
                "Upsert is possible only with an external ID (eid:).",
            )
        external = path["id"][4:]
        found = self._store.find(kind.name, "externalId", external)
        if found:
            return self.change(call, {**path, "id": found[0]["id"]})
        values = {**self._values(kind, call), "externalId": external}
        return self._saved(call, kind, None, {**values, "id": self._company.new_id(kind)})

    def delete(self, _call: Call, path: Document) -> Reply:
        kind = _writable(path["kind"])
        document = self._find(kind, path["id"], self._store)
        if kind.family == "transaction":
            check_open(self._company, kind.name, document)
            undo_effects(self._company, kind.name, document)
        self._company.remove(kind, document)
        return Reply(204)

    def transform(self, call: Call, path: Document) -> Reply:
        """POST /invoice/{id}/!transform/creditMemo: credit a whole invoice, or changes of it."""
        if (path["kind"], path["target"]) != (INVOICE.name, CREDIT_MEMO.name):
            raise NetSuiteError(
                "INVALID_CONTENT", f"Transformation to {path['target']} is not supported."
            )
        invoice = self._find(INVOICE, path["id"], self._store)
        copied = (
            "entity",
            "subsidiary",
            "currency",
            "exchangeRate",
            "department",
            "class",
            "location",
            "item",
            "taxDetails",
            "taxDetailsOverride",
            "memo",
        )
        document = {name: invoice[name] for name in copied if invoice.get(name) is not None}
        amount = min(invoice["total"], invoice["amountRemaining"])
        if amount:
            document["apply"] = [{"doc": invoice["id"], "apply": True, "amount": amount}]
        document |= {"createdFrom": invoice["id"], "id": self._company.new_id(CREDIT_MEMO)}
        values = self._values(CREDIT_MEMO, call)
        return self._saved(call, CREDIT_MEMO, None, {**document, **values})

    # Inside

    def _values(self, kind: RecordType, call: Call) -> Document:
        try:
            body: Any = loads(call.body) if call.body else {}
        except ValueError as mistake:
            raise NetSuiteError(
                "INVALID_CONTENT", f"Invalid content in the request body. {mistake}"
            ) from None
        if not isinstance(body, dict):
            raise NetSuiteError("INVALID_CONTENT", "The request body must be a JSON object.")
        strict = call.headers.get("x-netsuite-propertynamevalidation", "").lower() == "error"
        return Inputs(self._store, strict=strict).read(kind.fields, body)

    def _saved(
        self, call: Call, kind: RecordType, before: Document | None, document: Document
    ) -> Reply:
        key = call.headers.get("x-netsuite-idempotency-key")
        document = {**document, "_idempotency_key": key}
        if kind.family == "transaction":
            document = complete(self._company, kind.name, before, document)
        elif kind.name == "customer":
            document = self._customer(document)
        saved = self._company.save(kind, before, document)
        location = f"{call.base_url}{RECORD_PATH}/{kind.name}/{saved['id']}"
        return Reply(204, headers={"location": location})

    def _customer(self, document: Document) -> Document:
        self._company.require(RECORD_TYPES["customer"], document)
        name = (
            document.get("entityId")
            or document.get("companyName")
            or " ".join(filter(None, (document.get("firstName"), document.get("lastName"))))
        )
        if not name:
            raise user_error("Please enter value(s) for: Company Name")
        others = self._store.find("customer", "entityId", name)
        if any(other["id"] != document["id"] for other in others):
            raise user_error("This entity already exists.", path="entityId")
        return {**document, "entityId": name}

    def _find(self, kind: RecordType, key: str, reader: Reader) -> Document:
        if key.startswith("eid:"):
            found = reader.find(kind.name, "externalId", key[4:])
            document = found[0] if found else None
        else:
            document = reader.get(kind.name, key)
        if document is None:
            raise nonexistent()
        return document

    def _reader(self, call: Call) -> Reader:
        return self._store.as_of(call.faults.lag) if call.faults.lag else self._store


def kind_named(name: str) -> RecordType:
    kind = RECORD_TYPES.get(name)
    if kind is None:
        raise NetSuiteError("NONEXISTENT_ID", f"Record '{name}' was not found.", status=404)
    return kind


def _writable(name: str) -> RecordType:
    kind = kind_named(name)
    if not kind.writable:
        raise NetSuiteError(
            "METHOD_NOT_ALLOWED", f"The record type {name} is read-only.", status=405
        )
    return kind


def _merged(kind: RecordType, before: Document, values: Document, replaced: set[str]) -> Document:
    """A change; sublists are merged by `line` unless `?replace=` names them."""
    merged = {**before, **values}
    for name, field in kind.fields.items():
        if field.kind == "lines" and name in values and name not in replaced:
            merged[name] = _merged_lines(before.get(name) or [], values[name])
    return merged


def _merged_lines(before: list[Document], changes: list[Document]) -> list[Document]:
    known = {line["line"]: line for line in before if line.get("line") is not None}
    added = []
    for change in changes:
        number = change.get("line")
        if number in known:
            known[number] = {**known[number], **change}
        else:
            added.append(change)
    numbered = [line for line in before if line.get("line") is None]
    return [*known.values(), *numbered, *added]


def page_of(options: dict[str, str]) -> tuple[int, int]:
    try:
        limit, offset = int(options.get("limit", MAX_LIMIT)), int(options.get("offset", 0))
    except ValueError:
        raise NetSuiteError(
            "INVALID_PARAMETER", "limit and offset must be whole numbers."
        ) from None
    if not 1 <= limit <= MAX_LIMIT or offset < 0:
        raise NetSuiteError("INVALID_PARAMETER", f"limit must be between 1 and {MAX_LIMIT}.")
    return limit, offset


def _condition(text: str | None) -> Callable[[Document], bool]:
    """`q=externalId IS "X" AND email START_WITH a`: all conditions must hold."""
    if not text:
        return lambda _: True
    tests = []
    for part in re.split(r"\s+AND\s+", text, flags=re.IGNORECASE):
        found = _CONDITION.match(part)
        if not found:
            raise NetSuiteError("INVALID_PARAMETER", f"Invalid query condition: {part}")
        tests.append((found[1], found[2].upper(), found[3]))
    return lambda document: all(
        _holds(document.get(name), operator, wanted) for name, operator, wanted in tests
    )


def _holds(value: Any, operator: str, wanted: str) -> bool:
    text = str(value or "").casefold()
    wanted = wanted.casefold()
    if operator == "CONTAIN":
        return wanted in text
    if operator == "START_WITH":
        return text.startswith(wanted)
    if operator == "ON_OR_AFTER":
        return text >= wanted
    if operator == "ON_OR_BEFORE":
        return bool(text) and text <= wanted
    return text == wanted
