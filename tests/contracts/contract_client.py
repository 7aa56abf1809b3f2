"""A simulator called in process; every request and reply is held to the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.vendor import Vendor
from tests.contracts.validators import validate_reply, validate_request


class ContractClient:
    """`get`, `post`, … return (status, decoded body); a violation fails the test."""

    def __init__(self, name: str, vendor: Vendor, headers: Mapping[str, str]) -> None:
        self.name, self.vendor = name, vendor
        self.headers = dict(headers)
        self.checked: set[str] = set()  # object types or replies seen, for coverage

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        valid: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send raw bytes. With `valid=False` the contract must object to the request."""
        found = validate_request(self.name, method, path, body)
        assert bool(found) != valid, (method, path, found or "the contract has no objection")
        address, _, query = path.partition("?")
        call = Call(method, address, query, {**self.headers, **(headers or {})}, body)
        refusal = self.vendor.admit(call)
        reply = refusal or self.vendor.handle(call)
        if refusal is None:
            self.vendor.release(call)
        against = validate_reply(self.name, method, path, reply.status, reply.body())
        assert against == [], (method, path, reply.status, against)
        return reply

    def form(self, method: str, path: str, fields: Any = None, **options: Any) -> tuple[int, Any]:
        """A form-encoded call with nested fields in brackets."""
        pairs = list(_flat(fields or {}, ""))
        text = urlencode(pairs)
        if method in ("GET", "DELETE"):
            reply = self.send(method, f"{path}?{text}" if text else path, **options)
        else:
            reply = self.send(method, path, text.encode(), **options)
        return reply.status, json.loads(reply.body())

    def json(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.send(method, path, raw, **options)
        content = reply.body()
        return reply.status, json.loads(content) if content else None


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(item, f"{name}[{index}]")
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
