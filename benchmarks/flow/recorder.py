"""A recorder between the hub and the simulators: passes bytes on and keeps the hub's requests."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it went over the wire: when it began, to which platform, its bytes."""

    at: float
    vendor: str
    head: bytes
    body: bytes


@dataclass
class _Stream:
    """What one connection of the hub sent, with the time of each part."""

    vendor: str
    parts: list[tuple[float, bytes]] = field(default_factory=list)


class Recorder:
    """Listens on a port for each platform; runs on a thread of its own until ``close``."""

    def __init__(self, upstreams: dict[str, int]) -> None:
        self._streams: list[_Stream] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.ports = {
            vendor: asyncio.run_coroutine_threadsafe(
                self._listen(vendor, port), self._loop
            ).result(5)
            for vendor, port in upstreams.items()
        }

    async def _listen(self, vendor: str, upstream: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._pass_on(vendor, upstream, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _pass_on(
        self,
        vendor: str,
        upstream: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", upstream)
        stream = _Stream(vendor)
        self._streams.append(stream)
        await asyncio.gather(
            _pump(reader, forth, stream.parts), _pump(back, writer, None), return_exceptions=True
        )

    def calls_since(self, begun: float) -> list[Call]:
        """The requests that began after a moment of ``time.monotonic``, in their order."""
        found = [call for stream in list(self._streams) for call in _calls(stream)]
        return sorted((c for c in found if c.at >= begun), key=lambda call: call.at)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: list[tuple[float, bytes]] | None,
) -> None:
    try:
        while data := await reader.read(65_536):
            if parts is not None:
                parts.append((time.monotonic(), data))
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def _calls(stream: _Stream) -> Iterator[Call]:
    """Cut a connection's bytes into requests; a client sends the next one after the answer, so a
    request begins with a part. Bodies have a Content-Length: the hub sends no other kind."""
    held, at = b"", 0.0
    for moment, part in list(stream.parts):
        if not held:
            at = moment
        held += part
        head, blank, rest = held.partition(b"\r\n\r\n")
        if blank and len(rest) >= _length(head):
            yield Call(at, stream.vendor, head, rest)
            held = b""


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def write(calls: list[Call], ports: dict[str, int], path: str) -> None:
    """A file for ``benchmarks.flow.bare``: each call with the port of the platform itself."""
    rows = [
        {
            "port": ports[call.vendor],
            "head": call.head.decode("latin-1"),
            "body": call.body.decode("latin-1"),
        }
        for call in calls
    ]
    with open(path, "w") as file:
        json.dump(rows, file)
