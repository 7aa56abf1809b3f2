"""A vendor's simulator in a process of its own, and a session to it whose every request is held
to the vendor's contract."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from apps.connectors.base import Connector, OutboundCall, Page
from apps.connectors.http import ExchangeRecord, Session, new_client
from tests.contracts.validators import validate_request

START_SECONDS = 20
ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Simulator:
    """A running simulator; ``control`` speaks to its /_sim/ door."""

    vendor: str
    url: str
    process: subprocess.Popen[bytes]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.url}/_sim/{path}", json=body, timeout=10)
        answer.raise_for_status()
        if path == "ledger":
            return [json.loads(line) for line in answer.text.splitlines()]
        return answer.json()

    def fault(self, kind: str, **spec: Any) -> None:
        """Plant a fault for the next matching request."""
        self.control("POST", "faults", {"kind": kind, "count": 1, **spec})

    def ledger(self, reference: str) -> list[Any]:
        """What was committed under our reference."""
        return [line for line in self.control("GET", "ledger") if _bears(line, reference)]


def _bears(line: Mapping[str, Any], reference: str) -> bool:
    return line.get("external_ref") in (reference, f"C-{reference}")


def start(vendor: str, folder: Path) -> Simulator:
    """Start a simulator and wait until it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", f"apps.simulators.{vendor}", "--port", str(port), "--state",
         str(folder)],
        cwd=ROOT,
    )  # fmt: skip
    simulator = Simulator(vendor, f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            simulator.control("GET", "health")
        except httpx.HTTPError:
            assert process.poll() is None, f"the simulator of {vendor} ended"
            time.sleep(0.05)
            continue
        return simulator
    raise AssertionError(f"the simulator of {vendor} was not up within {START_SECONDS} s")


@dataclass
class Rig:
    """A connector with its simulator, and how to make a call of each operation."""

    connector: Connector
    simulator: Simulator
    config: dict[str, Any]
    secrets: dict[str, Any]
    calls: Mapping[str, Callable[[str], Mapping[str, Any]]]
    exchanges: list[ExchangeRecord] = field(default_factory=list)
    tokens: dict[str, Any] = field(default_factory=dict)
    memory: dict[Any, Any] = field(default_factory=dict)
    is_valid: bool = True

    def call(self, operation: str, reference: str) -> OutboundCall:
        payload = json.loads(json.dumps(self.calls[operation](reference)))
        return OutboundCall(operation, reference, f"q2c-{reference}-0", payload)

    @asynccontextmanager
    async def session(self, **changes: Any) -> Any:
        async with new_client() as client:
            client.event_hooks["request"].append(self._hold_to_contract)
            values: dict[str, Any] = {
                "vendor_name": self.simulator.vendor.capitalize(),
                "base_url": self.simulator.url,
                "config": {"deadline_seconds": 4, **self.config},
                "secrets": self.secrets,
                "client": client,
                "record": self.exchanges.append,
                "tokens": self.tokens,
                "memory": self.memory,
            }
            yield Session(**{**values, **changes})

    async def _hold_to_contract(self, request: httpx.Request) -> None:
        address = request.url.raw_path.decode()
        found = validate_request(self.simulator.vendor, request.method, address, request.content)
        assert not self.is_valid or found == [], (request.method, address, found)

    def poll(self, cursor: Mapping[str, Any]) -> Page:
        page: Page = self.run(lambda session: self.connector.poll(session, cursor))
        return page

    def run(self, work: Callable[[Session], Awaitable[Any]], **changes: Any) -> Any:
        """Run one piece of work under a session of its own."""

        async def inside() -> Any:
            async with self.session(**changes) as session:
                return await work(session)

        return asyncio.run(inside())
