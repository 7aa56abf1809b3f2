"""The webhook door as an ASGI application of its own.

No middleware of pages (sessions, messages, CSRF, compression) runs for a message of a platform.
A body is taken in on the event loop, under a deadline and a size; verifying and storing it is one
hop to a thread that keeps its connection to the database.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings

from apps.api.door import (
    LARGEST_BODY,
    Message,
    Reply,
    declared_size,
    header_map,
    too_large,
)
from apps.api.webhook_urls import ADDRESS, PREFIX
from apps.api.webhooks import only_post, problem, take
from apps.core.clock import utc_now
from apps.ingestion.types import Refusal

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_SECONDS = 10.0  # from the first byte of the request's head to the last of its body
THREADS = 8  # each keeps one connection of the process's pool
MOST_WAITING = 256  # messages that wait for a thread; at 1 MiB each this is what memory they take

_ADDRESS = re.compile(ADDRESS)
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class WebhookDoor:
    """``/webhooks/…`` of one web process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._reply(scope, receive)
        await send(_start(reply, scope))
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        address = _ADDRESS.match(scope["path"].removeprefix(PREFIX))
        if address is None:
            return problem(404, "no_address", "There is no such address. Check it.")
        if settings.SECURE_SSL_REDIRECT and not _is_secure(scope):
            return problem(403, "not_secure", "Send messages by https.")
        if scope["method"] != "POST":
            return only_post()
        headers = header_map(
            [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]],
            address["token"] or "",
        )
        body, refusal = await _body(declared_size(headers), receive)
        return await self._take(Message(address["code"], headers, body, refusal))

    async def _take(self, message: Message) -> Reply:
        if self._waiting >= MOST_WAITING:
            return problem(503, "busy", "Too many messages at once. Send it again.", **LATER)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, take, message, utc_now())
        finally:
            self._waiting -= 1


LATER = {"Retry-After": "10"}
CUT_OFF = Refusal("cut_off", "The sender hung up within the body. Send the whole message.", 400)
TOO_SLOW = Refusal(
    "too_slow",
    f"The body did not arrive within {BODY_SECONDS:.0f} s. Send the whole message at once.",
    408,
)


async def _body(declared: int, receive: Receive) -> tuple[bytes, Refusal | None]:
    """What arrived, and why it is not the whole when it is not."""
    if declared > LARGEST_BODY:
        return b"", too_large().refusal
    arrived = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                part = await receive()
                if part["type"] == "http.disconnect":
                    return bytes(arrived), CUT_OFF
                arrived += part.get("body", b"")
                if len(arrived) > LARGEST_BODY:
                    return bytes(arrived), too_large().refusal
                if not part.get("more_body"):
                    return bytes(arrived), None
    except TimeoutError:
        return bytes(arrived), TOO_SLOW


def _is_secure(scope: Scope) -> bool:
    """https here, or at the proxy that the settings declare; without one no header is believed."""
    declared = settings.SECURE_PROXY_SSL_HEADER
    if declared is None:
        return bool(scope["scheme"] == "https")
    wire_name = declared[0].removeprefix("HTTP_").replace("_", "-").lower().encode()
    said = next((v.decode("latin-1") for n, v in scope["headers"] if n == wire_name), None)
    if said is None:
        return bool(scope["scheme"] == "https")
    return bool(said.split(",", 1)[0].strip() == declared[1])


def _start(reply: Reply, scope: Scope) -> dict[str, Any]:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *_SECURITY,
        *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
    ]
    if settings.SECURE_HSTS_SECONDS and _is_secure(scope):
        headers.append((b"strict-transport-security", _hsts()))
    if reply.status in (408, 413):  # the rest of the body is not waited for
        headers.append((b"connection", b"close"))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def _hsts() -> bytes:
    return f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload".encode()
