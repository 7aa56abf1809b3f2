"""Calls to one platform: one host, one deadline, every exchange recorded, nothing repeated.

Retrying is the lane's business; a request is sent once here and its silence is named honestly.
"""

import asyncio
import datetime as dt
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import httpx
import orjson

from apps.connectors.errors import error_for, silence
from apps.connectors.limits import Observation, ReadLimits, standard_limits
from apps.connectors.redaction import redact_body, redact_headers
from apps.core.clock import utc_now
from apps.core.codec import loads, to_json
from apps.core.errors import HubError

DEADLINE = 20.0  # seconds for a whole exchange, unless the connection's config says otherwise
CONNECT = 3.0
LARGEST_ANSWER = 8 * 1024 * 1024
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """A platform's answer; header names are case-insensitive."""

    status: int
    headers: httpx.Headers
    content: bytes

    def json(self) -> Any:
        """The body with exact decimals. Raises ``ValueError`` when it is no JSON."""
        return loads(self.content) if self.content else None

    def json_or_none(self) -> Any:
        try:
            return self.json()
        except ValueError:
            return None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """One exchange as it is kept: redacted, with what it was about."""

    direction: str
    operation: str
    method: str
    path: str
    status: int | None
    outcome: str  # ok | refused | failed | no_answer | not_sent
    error_code: str
    request_headers: Mapping[str, str]
    request_body: str
    response_headers: Mapping[str, str]
    response_body: str
    vendor_request_id: str
    duration_ms: int
    subject_type: str
    subject_id: uuid.UUID | None
    journey_id: uuid.UUID | None
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``writes`` says that it may change something there; ``path`` begins with /."""

    operation: str
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    content_type: str = ""
    writes: bool = False


Refusal = Callable[[Answer], HubError | None]


class Gate(Protocol):
    """The connection's call budget: every request passes it, by its priority."""

    async def enter(self, priority: int) -> None:
        """Wait for a free place. Raises ``TransientError`` when none comes: nothing was sent."""
        ...

    def leave(self, seen: Observation) -> None: ...


@dataclass(frozen=True, slots=True)
class Session:
    """Calls of one connection. ``tokens`` is shared by all sessions of the process, ``memory``
    holds slow reference data for as long; both belong to the connection."""

    vendor_name: str
    base_url: str
    config: Mapping[str, Any]
    secrets: Mapping[str, Any]
    client: httpx.AsyncClient
    record: Callable[[ExchangeRecord], None]
    tokens: MutableMapping[str, Any] = field(default_factory=dict)
    memory: MutableMapping[Any, Any] = field(default_factory=dict)
    clock: Callable[[], dt.datetime] = utc_now
    subject: tuple[str, uuid.UUID | None, uuid.UUID | None] = ("", None, None)
    gate: Gate | None = None
    priority: int = 0
    read_limits: ReadLimits = standard_limits
    declared: frozenset[str] | None = None  # operations that may write; None outside a lane
    sent: list[str] = field(default_factory=list)  # writes that left for the platform
    writes_until: Callable[[], float] | None = None  # monotonic; no write is sent after it
    granting: asyncio.Lock = field(default_factory=asyncio.Lock)  # one asks for a token, all wait

    def about(
        self, subject_type: str, subject_id: uuid.UUID, journey_id: uuid.UUID | None
    ) -> "Session":
        """The same session, its exchanges kept with what they are about."""
        return replace(self, subject=(subject_type, subject_id, journey_id))

    def at(self, priority: int) -> "Session":
        """The same session for one job of the lane: its place in the queue for the budget, and
        what it sends."""
        return replace(self, priority=priority, sent=[])

    def secret(self, name: str) -> str:
        """A credential. Raises ``ConfigurationError`` naming what is missing."""
        return str(self._setting(self.secrets, name, "credential"))

    def setting(self, name: str) -> str:
        """A value of the connection's config. Raises ``ConfigurationError`` when it is missing."""
        return str(self._setting(self.config, name, "setting"))

    def _setting(self, values: Mapping[str, Any], name: str, noun: str) -> Any:
        value = values.get(name)
        if value in (None, ""):
            raise error_for(
                "misconfigured",
                f"{self.vendor_name} has no {noun} “{name}”. Enter it under Connectors, then "
                f"resume the connection.",
            )
        return value

    async def send(self, request: Request, refusal: Refusal) -> Answer:
        """Send once and return the answer.

        ``refusal`` reads the vendor's error format: it gives the error of an answer or None.
        Raises that error, ``TransientError`` when nothing was sent or a read went unanswered,
        ``OutcomeUnknownError`` when a write went unanswered. A write that the connector does not
        declare, or whose claim is too old, is refused before it leaves.
        """
        if self.gate is not None:
            await self.gate.enter(self.priority)
        started, at = time.monotonic(), self.clock()
        answer: Answer | None = None
        try:
            self._check_write(request)
            if request.writes:
                self.sent.append(request.operation)
            answer = await self._exchange(request)
            error = refusal(answer)
        except HubError as unanswered:
            error = unanswered
        finally:
            if self.gate is not None:
                self.gate.leave(self._seen(answer, time.monotonic() - started))
        self._keep(request, answer, error, int((time.monotonic() - started) * 1000), at)
        if error is not None:
            raise error
        assert answer is not None  # noqa: S101 - without an answer there is an error
        return answer

    def _check_write(self, request: Request) -> None:
        if not request.writes:
            return
        if self.declared is not None and request.operation not in self.declared:
            raise error_for(
                "misconfigured",
                f"The connector of {self.vendor_name} may not send {request.operation}: it does "
                f"not declare what to do after a lost answer.",
            )
        if self.writes_until is not None and time.monotonic() > self.writes_until():
            raise error_for(
                "claim_too_old",
                f"The worker was too slow to send this to {self.vendor_name}. Nothing was sent; "
                f"the hub goes on.",
            )

    def _seen(self, answer: Answer | None, seconds: float) -> Observation:
        if answer is None:
            return Observation(seconds, answered=False, limits=None)
        limits = self.read_limits(answer.status, answer.headers, answer.content)
        return Observation(seconds, answered=True, limits=limits)

    async def _exchange(self, request: Request) -> Answer:
        built = self.client.build_request(
            request.method,
            address(self.base_url, request.path, request.query),
            headers=_headers(request),
            content=request.content or None,
        )
        try:
            async with asyncio.timeout(float(self.config.get("deadline_seconds", DEADLINE))):
                return await self._read(built)
        except NOT_SENT as error:
            raise error_for(
                "unreachable",
                f"{self.vendor_name} cannot be reached. The hub tries again.",
                detail=_named(error),
            ) from error
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            raise silence(self.vendor_name, writes=request.writes, detail=_named(error)) from error

    async def _read(self, built: httpx.Request) -> Answer:
        response = await self.client.send(built, stream=True)
        content = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise httpx.StreamError(f"the answer is longer than {LARGEST_ANSWER} bytes")
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, bytes(content))

    def _keep(
        self,
        request: Request,
        answer: Answer | None,
        error: HubError | None,
        duration_ms: int,
        at: dt.datetime,
    ) -> None:
        subject_type, subject_id, journey_id = self.subject
        headers = answer.headers if answer else {}
        self.record(
            ExchangeRecord(
                direction="out",
                operation=request.operation,
                method=request.method,
                path=_with_query(request.path, request.query)[:400],
                status=answer.status if answer else None,
                outcome=_outcome(answer, error),
                error_code=error.facts.code if error else "",
                request_headers=redact_headers(_headers(request)),
                request_body=redact_body(request.content, request.content_type),
                response_headers=redact_headers(headers),
                response_body=_kept_answer(answer),
                vendor_request_id=_request_id(headers),
                duration_ms=duration_ms,
                subject_type=subject_type,
                subject_id=subject_id,
                journey_id=journey_id,
                at=at,
            )
        )


@cache
def _trusted() -> ssl.SSLContext:
    """The trusted authorities, read once: a client is made for each round of calls."""
    return httpx.create_ssl_context(trust_env=False)


def new_client() -> httpx.AsyncClient:
    """A client that follows no redirect, reads no proxy settings and connects within 3 s."""
    return httpx.AsyncClient(
        verify=_trusted(),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(None, connect=CONNECT, pool=CONNECT),
        limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
    )


def address(base_url: str, path: str, query: Sequence[tuple[str, str]] = ()) -> str:
    """The address of a path on the connection's own host; a path that leaves it is refused.

    Raises ``ConfigurationError`` when the path is an address of its own.
    """
    parts = urlsplit(path)
    if not path.startswith("/") or path.startswith("//") or parts.scheme or parts.netloc:
        raise error_for(
            "misconfigured",
            "A call may only go to the connection's own host. Correct the connection's base "
            "address, then resume it.",
            detail=f"refused path {path[:200]}",
        )
    return base_url.rstrip("/") + _with_query(path, query)


def json_content(value: Any, numbers: frozenset[str] = frozenset()) -> bytes:
    """A JSON body with sorted keys, so that a resend has the same bytes.

    Fields named in ``numbers`` hold decimal text in the hub and become JSON numbers of exactly
    these digits.
    """
    return orjson.dumps(_numbered(to_json(value), numbers), option=orjson.OPT_SORT_KEYS)


def form_content(pairs: Sequence[tuple[str, str]]) -> bytes:
    return urlencode(pairs, safe="[]").encode()


def path_part(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe=":!")


def _numbered(value: Any, numbers: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_numbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: orjson.Fragment(format(Decimal(item), "f"))
        if key in numbers and isinstance(item, str) and item
        else _numbered(item, numbers)
        for key, item in value.items()
    }


def _headers(request: Request) -> dict[str, str]:
    headers = {"accept": "application/json", "user-agent": "q2c-hub", **request.headers}
    if request.content_type:
        headers["content-type"] = request.content_type
    return headers


def _with_query(path: str, query: Sequence[tuple[str, str]]) -> str:
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(query)}"


def _outcome(answer: Answer | None, error: HubError | None) -> str:
    if answer is None:
        return "not_sent" if error and error.facts.code == "unreachable" else "no_answer"
    if error is None:
        return "ok"
    return "failed" if answer.status >= 500 else "refused"


def _kept_answer(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return redact_body(answer.content, answer.headers.get("content-type", ""))


def _request_id(headers: Mapping[str, str]) -> str:
    for name in ("request-id", "x-request-id", "x-n-operationid"):
        if headers.get(name):
            return str(headers[name])[:120]
    return ""


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:400]
