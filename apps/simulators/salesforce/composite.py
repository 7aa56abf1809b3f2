"""Several requests in one: /composite (25) and sObject collections (200)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, dumps, loads
from apps.simulators.core.store import Store
from apps.simulators.salesforce.errors import SalesforceError
from apps.simulators.salesforce.org import Org
from apps.simulators.salesforce.query import object_named
from apps.simulators.salesforce.rest import parsed_object

MAX_SUBREQUESTS = 25
MAX_RECORDS = 200
_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")

Dispatch = Callable[[Call], Reply]


class _RolledBack(Exception):
    """Undoes everything when allOrNone was asked for and one part failed."""


class Composite:
    def __init__(self, org: Org, store: Store, dispatch: Dispatch) -> None:
        self._org, self._store, self._dispatch = org, store, dispatch

    def composite(self, call: Call, _: Document) -> Reply:
        """POST /composite: subrequests in order, each may use `@{ref.id}` of earlier ones."""
        body = parsed_object(call.body)
        requests = body.get("compositeRequest") or []
        if not 0 < len(requests) <= MAX_SUBREQUESTS:
            raise SalesforceError(
                "LIMIT_EXCEEDED",
                f"The number of subrequests must be between 1 and {MAX_SUBREQUESTS}",
            )
        results: list[Document] = []
        try:
            with self._store.unit():
                for request in requests:
                    results.append(self._part(call, request, results))
                failed = [r for r in results if r["httpStatusCode"] >= 400]
                if failed and body.get("allOrNone"):
                    raise _RolledBack
        except _RolledBack:
            results = [_halted(result) for result in results]
        return Reply(200, {"compositeResponse": results})

    def _part(self, call: Call, request: Document, results: list[Document]) -> Document:
        try:
            address = urlsplit(_filled(str(request["url"]), results))
            body = request.get("body")
            part = Call(
                method=str(request["method"]).upper(),
                path=address.path,
                query=address.query,
                headers=call.headers,
                body=_filled(dumps(body).decode(), results).encode() if body else b"",
                base_url=call.base_url,
                faults=call.faults,
            )
            with self._store.unit():
                reply = self._dispatch(part)
        except SalesforceError as error:
            reply = error.reply()
        return {
            "body": loads(reply.body()) if reply.content is not None else None,
            "httpHeaders": reply.headers,
            "httpStatusCode": reply.status,
            "referenceId": request.get("referenceId"),
        }

    def create_many(self, call: Call, _: Document) -> Reply:
        """POST /composite/sobjects."""
        return self._many(call, self._create_one)

    def update_many(self, call: Call, _: Document) -> Reply:
        """PATCH /composite/sobjects."""
        return self._many(call, self._update_one)

    def _many(self, call: Call, write: Callable[[Document], str]) -> Reply:
        body = parsed_object(call.body)
        records = body.get("records") or []
        if len(records) > MAX_RECORDS:
            raise SalesforceError(
                "EXCEEDED_MAX_SIZE_REQUEST",
                "record limit reached. cannot submit more than 200 records in this call",
            )
        results: list[Document] = []
        try:
            with self._store.unit():
                for record in records:
                    results.append(self._one(record, write))
                if body.get("allOrNone") and not all(r["success"] for r in results):
                    raise _RolledBack
        except _RolledBack:
            results = [_undone(result) for result in results]
        return Reply(200, results)

    def _one(self, record: Document, write: Callable[[Document], str]) -> Document:
        try:
            with self._store.unit():
                key = write(record)
        except SalesforceError as error:
            return {"success": False, "errors": [_status(error)]}
        return {"id": key, "success": True, "errors": []}

    def _create_one(self, record: Document) -> str:
        return self._org.create(object_named(_type_of(record)), record)

    def _update_one(self, record: Document) -> str:
        values = dict(record)
        key = str(values.pop("id", None) or values.pop("Id", ""))
        self._org.update(object_named(_type_of(record)), key, values)
        return key


def _type_of(record: Document) -> str:
    return str((record.get("attributes") or {}).get("type"))


def _status(error: SalesforceError) -> Document:
    fields = list(error.fields)
    return {"statusCode": error.code, "message": error.message, "fields": fields}


def _filled(text: str, results: list[Document]) -> str:
    """Replace `@{ref.path}` by values of earlier results."""
    by_reference = {result["referenceId"]: result["body"] for result in results}

    def value(found: re.Match[str]) -> str:
        node: Any = by_reference.get(found[1])
        for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", found[2]):
            try:
                node = node[name] if name else node[int(index)]
            except (KeyError, IndexError, TypeError):
                raise SalesforceError(
                    "PROCESSING_HALTED", f"Invalid reference specified. No value for {found[0]}"
                ) from None
        return str(node)

    return _REFERENCE.sub(value, text)


def _halted(result: Document) -> Document:
    """In an all-or-none request the parts that had worked are reported as rolled back."""
    if result["httpStatusCode"] >= 400:
        return result
    error = SalesforceError(
        "PROCESSING_HALTED",
        "The transaction was rolled back since another operation in the same transaction failed.",
    )
    return {**result, "body": [error.entry()], "httpStatusCode": 400}


def _undone(result: Document) -> Document:
    if not result["success"]:
        return result
    message = (
        "Record rolled back because not all records were valid and the request was using "
        "AllOrNone header"
    )
    status = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": message, "fields": []}
    return {"success": False, "errors": [status]}
