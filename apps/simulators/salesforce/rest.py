"""The REST resources below /services/data: records, query, limits, describe."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import parse_qs, unquote

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, loads
from apps.simulators.core.store import Reader
from apps.simulators.salesforce.errors import SalesforceError, not_found
from apps.simulators.salesforce.fields import Field, SObject
from apps.simulators.salesforce.ids import make_id
from apps.simulators.salesforce.order_objects import OBJECTS
from apps.simulators.salesforce.org import Org
from apps.simulators.salesforce.query import API, Executor, attributes, object_named
from apps.simulators.salesforce.soql import parse

MAX_BATCH = 2000
MIN_BATCH = 200
MAX_CURSORS = 50
_BATCH_OPTION = re.compile(r"batchSize=(\d+)")


class RestResources:
    """One handler per resource; each takes the call and its path parameters."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors: dict[str, list[Document]] = {}

    # Query

    def query(self, call: Call, _: Document) -> Reply:
        text = parse_qs(call.query).get("q", [""])[-1]
        query = parse(text)
        executor = Executor(self._reader(call))
        if query.counts:
            total = executor.count(query)
            return Reply(200, {"totalSize": total, "done": True, "records": []})
        records = executor.run(query)
        locator = make_id("01g", secrets.randbelow(62**8))
        return Reply(200, self._batch(records, locator, 0, self._batch_size(call)))

    def query_more(self, call: Call, path: Document) -> Reply:
        locator, _, start = path["locator"].rpartition("-")
        records = self._cursors.get(locator)
        if records is None:
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return Reply(200, self._batch(records, locator, int(start), self._batch_size(call)))

    def _batch(self, records: list[Document], locator: str, start: int, size: int) -> Document:
        end = start + size
        done = end >= len(records)
        batch: Document = {"totalSize": len(records), "done": done}
        if not done:
            self._cursors[locator] = records
            while len(self._cursors) > MAX_CURSORS:
                del self._cursors[next(iter(self._cursors))]
            batch["nextRecordsUrl"] = f"{API}/query/{locator}-{end}"
        return {**batch, "records": records[start:end]}

    def _batch_size(self, call: Call) -> int:
        """As asked by Sforce-Query-Options, at most what the org's setting allows."""
        asked = _BATCH_OPTION.search(call.headers.get("sforce-query-options", ""))
        wanted = min(MAX_BATCH, max(MIN_BATCH, int(asked[1]))) if asked else MAX_BATCH
        return min(wanted, int(self._org.kit.setting("query_batch", MAX_BATCH)))

    # Records

    def create(self, call: Call, path: Document) -> Reply:
        key = self._org.create(object_named(path["object"]), _body(call))
        return Reply(201, {"id": key, "success": True, "errors": []})

    def retrieve(self, call: Call, path: Document) -> Reply:
        sobject = object_named(path["object"])
        record = self._org.find(sobject, path["id"], self._reader(call))
        return Reply(200, self._shown(sobject, record, call))

    def update(self, call: Call, path: Document) -> Reply:
        self._org.update(object_named(path["object"]), path["id"], _body(call))
        return Reply(204)

    def delete(self, _call: Call, path: Document) -> Reply:
        self._org.delete(object_named(path["object"]), path["id"])
        return Reply(204)

    def retrieve_by(self, call: Call, path: Document) -> Reply:
        sobject, field = self._external(path)
        found = self._org.find_by(sobject, field, unquote(path["value"]), self._reader(call))
        if not found:
            raise not_found()
        if len(found) > 1:
            return _several(sobject, found)
        return Reply(200, self._shown(sobject, found[0], call))

    def upsert(self, call: Call, path: Document) -> Reply:
        """201 created, 200 updated, 300 several match and nothing is written."""
        sobject, field = self._external(path)
        value = unquote(path["value"])
        found = self._org.find_by(sobject, field, value)
        if len(found) > 1:
            return _several(sobject, found)
        if found:
            self._org.update(sobject, found[0]["Id"], _body(call))
            return Reply(200, _upserted(found[0]["Id"], created=False))
        if call.parameters().get("updateOnly") == "true":
            raise not_found()
        key = self._org.create(sobject, {**_body(call), field.name: value})
        return Reply(201, _upserted(key, created=True))

    def _external(self, path: Document) -> tuple[SObject, Field]:
        sobject = object_named(path["object"])
        field = sobject.find_field(path["field"])
        if field is None or not (field.external_id or field.kind == "id"):
            raise not_found(
                f"Provided external ID field does not exist or is not accessible: {path['field']}"
            )
        return sobject, field

    def _shown(self, sobject: SObject, record: Document, call: Call) -> Document:
        wanted = call.parameters().get("fields")
        names = wanted.split(",") if wanted else list(sobject.fields)
        shown: Document = {"attributes": attributes(sobject, record)}
        for name in names:
            field = sobject.find_field(name)
            if field is None:
                raise SalesforceError(
                    "INVALID_FIELD",
                    f"No such column '{name}' on entity '{sobject.name}'",
                    fields=(name,),
                )
            shown[field.name] = record[field.name]
        return shown

    # The org

    def describe(self, _call: Call, path: Document) -> Reply:
        sobject = object_named(path["object"])
        fields = [_described(field) for field in sobject.fields.values()]
        return Reply(200, {"name": sobject.name, "keyPrefix": sobject.prefix, "fields": fields})

    def describe_all(self, _call: Call, _path: Document) -> Reply:
        found = [{"name": s.name, "keyPrefix": s.prefix} for s in OBJECTS.values()]
        return Reply(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})

    def _reader(self, call: Call) -> Reader:
        lag = call.faults.lag
        return self._org.store.as_of(lag) if lag else self._org.store


def _body(call: Call) -> Document:
    return parsed_object(call.body)


def parsed_object(raw: bytes) -> Document:
    """A JSON object. Raises JSON_PARSER_ERROR."""
    try:
        value: Any = loads(raw)
    except ValueError as mistake:
        raise SalesforceError("JSON_PARSER_ERROR", f"Unexpected character: {mistake}") from None
    if not isinstance(value, dict):
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            "The HTTP entity body is required, but this request has no object in it.",
        )
    return value


def _upserted(key: str, *, created: bool) -> Document:
    return {"id": key, "success": True, "errors": [], "created": created}


def _several(sobject: SObject, found: list[Document]) -> Reply:
    return Reply(300, [f"{API}/sobjects/{sobject.name}/{record['Id']}" for record in found])


def _described(field: Field) -> Document:
    types = {"text": "string", "number": "double"}
    kind = "picklist" if field.choices else types.get(field.kind, field.kind)
    return {
        "name": field.name,
        "type": kind,
        "length": field.length if field.kind == "text" else 0,
        "scale": field.scale if field.kind == "number" else 0,
        "nillable": not field.required,
        "createable": not field.read_only,
        "updateable": not field.read_only,
        "externalId": field.external_id,
        "unique": field.unique,
        "referenceTo": [field.to] if field.to else [],
        "relationshipName": field.relationship if field.kind == "reference" else None,
        "picklistValues": [{"value": choice, "active": True} for choice in field.choices],
    }
