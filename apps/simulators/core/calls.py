"""A request and a reply as plain values, so that vendors can be called without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from apps.simulators.core.codec import dumps
from apps.simulators.core.faults import NO_FAULTS, Faults

JSON = "application/json"


@dataclass(slots=True)
class Call:
    """One HTTP request; header names are lower case, `path` is decoded and has no query."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = "http://localhost"
    faults: Faults = NO_FAULTS

    def parameters(self) -> dict[str, str]:
        """Query parameters, the last one of a repeated name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None


@dataclass(slots=True)
class Reply:
    """One HTTP response; a `content` that is not bytes or text is encoded as JSON."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON

    def body(self) -> bytes:
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return self.content.encode()
        return dumps(self.content)
