"""A TCP proxy that makes links sick by plan: ``python -m benchmarks.faults.proxy``.

    --control SOCKET --seed N  stripe=21001:127.0.0.1:21002  database=21003:/run/.s.PGSQL.5432

One listener a link. Control is one JSON line for a request and one for its answer over a Unix
socket: ``{"do": "put", "link": …, "kind": …}``, ``{"do": "clear", "link": …}`` or
``{"do": "state"}``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.toxics import DOWN, UP, Chances, Toxic, ToxicBoard, ToxicError

PIECE = 65536
POLL_SECONDS = 0.02


@dataclass(eq=False, slots=True)
class Passage:
    """One connection: our client's side and the side we opened to the real server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    chances: Chances
    passed: dict[str, int] = field(default_factory=lambda: {UP: 0, DOWN: 0})
    before: dict[tuple[int, str], int] = field(default_factory=dict)

    def left(self, toxic: Toxic, direction: str) -> int:
        """How many bytes may still pass, counted from when the toxic first met this connection."""
        begun = self.before.setdefault((toxic.id, direction), self.passed[direction])
        return int(toxic.numbers["bytes"]) - (self.passed[direction] - begun)

    def reset(self) -> None:
        """End both sides with RST, as a host that lost its state does."""
        for writer in (self.client, self.server):
            _linger_none(writer)
            writer.transport.abort()

    async def close(self) -> None:
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                writer.close()


class Link:
    """A listener and the server behind it."""

    def __init__(self, name: str, port: int, upstream: str, seed: int) -> None:
        self.name, self.port, self.upstream = name, port, upstream
        self.board = ToxicBoard(f"{seed}:{name}")
        self.open: set[Passage] = set()
        self.accepted = self.bytes = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Stop listening and reset what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for passage in list(self.open):
            passage.reset()

    async def put(self, spec: dict[str, Any]) -> dict[str, Any]:
        toxic = self.board.put(spec)
        if toxic.kind == "refuse":
            toxic.hits += len(self.open)
            await self.refuse()
        return {"id": toxic.id}

    async def clear(self) -> dict[str, Any]:
        hits = self.board.clear()
        await self.listen()
        return {"hits": hits}

    def state(self) -> dict[str, Any]:
        kinds = [toxic.kind for toxic in self.board.toxics]
        return {"open": len(self.open), "accepted": self.accepted, "bytes": self.bytes,
                "toxics": kinds}  # fmt: skip

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            upstream, server = await self._connect()
        except OSError:
            _linger_none(writer)
            writer.transport.abort()
            return
        passage = Passage(writer, server, Chances(self.board.random))
        self.open.add(passage)
        try:
            await asyncio.gather(
                self._pump(passage, reader, server, UP),
                self._pump(passage, upstream, writer, DOWN),
            )
        finally:
            self.open.discard(passage)
            await passage.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.upstream.startswith("/"):
            return await asyncio.open_unix_connection(self.upstream)
        host, _, port = self.upstream.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pump(
        self,
        passage: Passage,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: str,
    ) -> None:
        try:
            while piece := await reader.read(PIECE):
                if self.board.toxics:
                    piece = await self._sicken(passage, piece, writer, direction)
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
                passage.passed[direction] += len(piece)
                self.bytes += len(piece)
            await self._end(passage, writer, direction)
        except (OSError, RuntimeError):  # uvloop names a closed transport a RuntimeError
            passage.reset()

    async def _sicken(
        self, passage: Passage, piece: bytes, writer: asyncio.StreamWriter, direction: str
    ) -> bytes:
        """What is left to pass on after the toxics; nothing when the connection is over."""
        for kind, act in _ACTS.items():
            toxic = self.board.acting(kind, direction, passage.chances)
            if toxic is not None:
                piece = await act(self, passage, piece, writer, toxic, direction)
            if not piece:
                break
        return piece

    async def _end(self, passage: Passage, writer: asyncio.StreamWriter, direction: str) -> None:
        slow = self.board.acting("slow_close", direction, passage.chances)
        if slow is not None:
            await asyncio.sleep(slow.numbers["seconds"])
        if writer.can_write_eof():
            writer.write_eof()

    # What each kind does to a piece

    async def _blackhole(
        self, passage: Passage, piece: bytes, writer: object, toxic: Toxic, direction: str
    ) -> bytes:
        waited, limit = 0.0, toxic.numbers["seconds"]
        while toxic in self.board.toxics and (not limit or waited < limit):
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        passage.reset()
        return b""

    async def _reset(
        self, passage: Passage, piece: bytes, writer: Any, toxic: Toxic, direction: str
    ) -> bytes:
        left = passage.left(toxic, direction)
        if len(piece) <= left:
            return piece
        if left > 0:
            writer.write(piece[:left])
            with contextlib.suppress(OSError):
                await writer.drain()
        passage.reset()
        return b""

    async def _limit(
        self, passage: Passage, piece: bytes, writer: Any, toxic: Toxic, direction: str
    ) -> bytes:
        left = passage.left(toxic, direction)
        if len(piece) <= left:
            return piece
        if left > 0:
            writer.write(piece[:left])
        await passage.close()
        return b""

    async def _latency(
        self, passage: Passage, piece: bytes, writer: object, toxic: Toxic, direction: str
    ) -> bytes:
        jitter = toxic.numbers["jitter"]
        wait = toxic.numbers["seconds"] + passage.chances.random.uniform(-jitter, jitter)
        await self._while_sick(toxic, wait)
        return piece

    async def _bandwidth(
        self, passage: Passage, piece: bytes, writer: Any, toxic: Toxic, direction: str
    ) -> bytes:
        step = max(1, int(toxic.numbers["bytes_per_second"] / 10))
        return await self._in_pieces(passage, piece, writer, toxic, (step, 0.1))

    async def _slicer(
        self, passage: Passage, piece: bytes, writer: Any, toxic: Toxic, direction: str
    ) -> bytes:
        step = max(1, int(toxic.numbers["bytes"]))
        return await self._in_pieces(
            passage, piece, writer, toxic, (step, toxic.numbers["seconds"])
        )

    async def _in_pieces(
        self, passage: Passage, piece: bytes, writer: Any, toxic: Toxic, pace: tuple[int, float]
    ) -> bytes:
        """Send slowly while the toxic lasts; returns what is left once it is over."""
        step, pause = pace
        while len(piece) > step and toxic in self.board.toxics:
            writer.write(piece[:step])
            await writer.drain()
            piece = piece[step:]
            await asyncio.sleep(pause)
        return piece

    async def _while_sick(self, toxic: Toxic, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while toxic in self.board.toxics and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(POLL_SECONDS)


# The order matters: what ends a connection comes before what only slows it down.
_ACTS: dict[str, Any] = {
    "blackhole": Link._blackhole,
    "reset": Link._reset,
    "limit": Link._limit,
    "latency": Link._latency,
    "bandwidth": Link._bandwidth,
    "slicer": Link._slicer,
}


def _linger_none(writer: asyncio.StreamWriter) -> None:
    """Make closing send RST instead of FIN; a Unix socket has no such thing."""
    found = writer.get_extra_info("socket")
    if found is not None and found.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """All links and the control socket."""

    def __init__(self, links: list[Link], control: Path) -> None:
        self.links = {link.name: link for link in links}
        self.control = control

    async def run(self) -> None:
        """Serve until TERM or INT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        for link in self.links.values():
            await link.listen()
        self.control.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self.control)
        self.control.chmod(0o600)
        await stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                answer = await self._do(json.loads(line))
            except (ToxicError, KeyError, ValueError) as mistake:
                answer = {"error": f"{type(mistake).__name__}: {mistake}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "state":
            return {name: link.state() for name, link in self.links.items()}
        link = self.links[request["link"]]
        return await (link.put(request) if request["do"] == "put" else link.clear())


def read_link(text: str, seed: int) -> Link:
    """``name=port:upstream``; the upstream is host:port or the path of a Unix socket."""
    name, _, rest = text.partition("=")
    port, _, upstream = rest.partition(":")
    return Link(name, int(port), upstream, seed)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.proxy")
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("links", nargs="+", metavar="NAME=PORT:UPSTREAM")
    options = parser.parse_args(argv)
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    links = [read_link(text, options.seed) for text in options.links]
    asyncio.run(Proxy(links, options.control).run())


if __name__ == "__main__":
    os.umask(0o077)
    main()
