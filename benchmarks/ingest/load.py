"""The load generator: one process on one core, keep-alive connections, raw HTTP.

Takes a JSON argument with ``port``, ``secret``, ``seconds`` and ``connections``, and asks as fast
as the answers come (closed loop). With ``rate`` it asks at that pace whatever the answers do, and
a latency counts from the moment at which the request was due (open loop), so that a stall is felt
by all who would have asked meanwhile. Prints one JSON line.
"""

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import uvloop

from benchmarks.ingest.messages import signed_requests

WARM_UP = 0.5  # seconds that are not counted
FASTEST = 6000  # requests a second that are prepared for


class Wire(asyncio.Protocol):
    """One keep-alive connection with at most one request on it."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.due = 0.0
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.run.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.run.is_over:
            self.run.broken += 1

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        self.run.answered(self, head + b" " + body)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Run:
    """One measured stretch of load."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.rate, self.seconds = float(spec.get("rate", 0)), float(spec["seconds"])
        self.port, self.connections = int(spec["port"]), int(spec["connections"])
        count = int((self.rate or FASTEST) * (self.seconds + WARM_UP) * 1.05) + 100
        self.requests: Iterator[bytes] = iter(
            list(signed_requests(count, self.port, spec["secret"]))
        )
        self.idle: deque[Wire] = deque()
        self.owed: deque[float] = deque()
        self.latencies: list[float] = []
        self.refused = self.broken = 0
        self.last_refusal = ""
        self.is_over = False

    async def go(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for _ in range(self.connections):
            await loop.create_connection(lambda: Wire(self), "127.0.0.1", self.port)
        self.started = time.perf_counter()
        self.ends = self.started + WARM_UP + self.seconds
        await (self._pace() if self.rate else self._flood())
        self.is_over = True
        return self._summary()

    async def _flood(self) -> None:
        while self.idle:
            self.idle.popleft().ask(next(self.requests), time.perf_counter())
        await asyncio.sleep(WARM_UP + self.seconds)
        await self._all_answered()

    async def _pace(self) -> None:
        asked, total = 0, int(self.rate * (WARM_UP + self.seconds))
        while asked < total:
            due = min(total, int((time.perf_counter() - self.started) * self.rate) + 1)
            self.owed.extend(self.started + n / self.rate for n in range(asked, due))
            asked = due
            self._ask_owed()
            await asyncio.sleep(0.001)
        await self._all_answered()

    async def _all_answered(self) -> None:
        deadline = time.perf_counter() + 10
        while len(self.idle) < self.connections and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)

    def _ask_owed(self) -> None:
        while self.owed and self.idle:
            self.idle.popleft().ask(next(self.requests), self.owed.popleft())

    def answered(self, wire: Wire, answer: bytes) -> None:
        now, accepted = time.perf_counter(), answer.startswith(b"HTTP/1.1 200")
        if not accepted:
            self.refused += 1
            self.last_refusal = answer[:400].decode("latin-1")
        elif wire.due >= self.started + WARM_UP and (self.rate or now <= self.ends):
            self.latencies.append(now - wire.due)
        if not self.rate and now < self.ends:
            wire.ask(next(self.requests), now)
            return
        self.idle.append(wire)
        self._ask_owed()

    def _summary(self) -> dict[str, Any]:
        ranked = sorted(self.latencies)
        unanswered = int(self.rate * self.seconds) - len(ranked) if self.rate else 0
        return {
            "per_second": len(ranked) / self.seconds,
            "p50_ms": _at(ranked, 0.5),
            "p99_ms": _at(ranked, 0.99),
            "refused": self.refused,
            "last_refusal": self.last_refusal,
            "broken": self.broken,
            "unanswered": max(0, unanswered - 2),  # the last instants may round either way
        }


def _at(ranked: list[float], share: float) -> float:
    return ranked[int(len(ranked) * share)] * 1000 if ranked else float("inf")


def main() -> None:
    spec = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(Run(spec).go())) + "\n")


if __name__ == "__main__":
    main()
