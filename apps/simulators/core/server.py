"""One vendor as an ASGI application and as a process."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.control import ControlRoom
from apps.simulators.core.kit import Kit, build_kit
from apps.simulators.core.mixups import Mixups
from apps.simulators.core.vendor import Vendor

TICK_SECONDS = 0.2
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>nginx</p></body></html>"


class BrokenResponse(Response):
    """Announces the whole body, sends half of it and ends: the server drops the line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


async def read_call(request: Request) -> Call:
    return Call(
        method=request.method,
        path=unquote(request.scope["raw_path"].decode("latin-1").partition("?")[0])
        if b"%" in request.scope["raw_path"]
        else request.url.path,
        query=request.url.query,
        headers={key.lower(): value for key, value in request.headers.items()},
        body=await request.body(),
        base_url=str(request.base_url).rstrip("/"),
    )


class Front:
    """Serves the vendor's public API and lets planted faults happen on the way."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._mixups = Mixups()

    async def __call__(self, request: Request) -> Response:
        call = await read_call(request)
        agent = call.headers.get("user-agent", "")
        call.faults = self._vendor.kit.faults.pick(call.method, call.path, agent)
        refusal = self._refuse(call)
        if refusal is not None:
            return respond(refusal)
        reply = self._mixups.answer(call, await self._serve(call))
        return await self._spoil(call, reply, request)

    def _refuse(self, call: Call) -> Reply | None:
        for kind in ("outage", "refuse_all", "rate_limit"):
            rule = call.faults.get(kind)
            if rule is not None:
                return self._vendor.fault_reply(rule)
        rule = call.faults.get("html")
        if rule is None:
            return None
        return Reply(rule.status, HTML.format("Bad Gateway"), content_type="text/html")

    async def _serve(self, call: Call) -> Reply:
        refusal = self._vendor.admit(call)
        if refusal is not None:
            return refusal
        try:
            slow = call.faults.get("slow")
            delay = self._vendor.kit.latency + (slow.delay if slow else 0.0)
            if delay > 0:
                await asyncio.sleep(delay)
            return self._vendor.handle(call)
        finally:
            self._vendor.release(call)

    async def _spoil(self, call: Call, reply: Reply, request: Request) -> Response:
        failed = call.faults.get("apply_then_500")
        if failed is not None:
            return respond(self._vendor.fault_reply(failed))
        if "cut_body" in call.faults:
            return BrokenResponse(reply.body() or b"{}{}", reply.status, reply.headers)
        late = call.faults.get("apply_then_timeout")
        if late is None:
            return respond(reply)
        await _until_gone(request, late.delay)
        return Response(HTML.format("Gateway Timeout"), 504, media_type="text/html")


async def _until_gone(request: Request, seconds: float) -> None:
    """Say nothing until the caller hangs up or `seconds` have passed."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline and not await request.is_disconnected():
        await asyncio.sleep(0.05)


def respond(reply: Reply) -> Response:
    body = reply.body()
    media_type = reply.content_type if body else None
    return Response(body, reply.status, reply.headers, media_type)


def build_app(vendor: Vendor) -> Starlette:
    """The vendor's public API with its control API under /_sim/."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(vendor.outbox.run()), asyncio.ensure_future(_ticks(vendor))]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        vendor.kit.store.close()

    room, front = ControlRoom(vendor), Front(vendor)

    async def control(request: Request) -> Response:
        return respond(room.answer(await read_call(request)))

    async def public(request: Request) -> Response:
        return await front(request)

    routes = [
        Route("/_sim/{rest:path}", control, methods=METHODS),
        Route("/{rest:path}", public, methods=METHODS),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _ticks(vendor: Vendor) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        vendor.tick()


def main(name: str, build: Callable[[Kit], Vendor], argv: list[str] | None = None) -> None:
    """Run a vendor: `--port P --state DIR [--host H]`; ends on TERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog=f"python -m apps.simulators.{name}")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder for state and ledger")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(argv)
    vendor = build(build_kit(name, options.state))
    uvicorn.run(
        build_app(vendor),
        host=options.host,
        port=options.port,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
