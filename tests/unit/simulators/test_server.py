"""A simulator as an ASGI application: control API, faults, webhooks; and as a process."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from apps.simulators.core.kit import build_kit
from apps.simulators.core.server import build_app
from apps.simulators.netsuite.vendor import NetSuiteVendor
from apps.simulators.stripe.vendor import StripeVendor

AUTH = ("sk_test_unit", "")
CUSTOMERS = "/v1/customers"


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """The address of an application on a port of its own."""
    config = uvicorn.Config(app, port=0, log_level="critical", access_log=False, **options)
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@asynccontextmanager
async def running(vendor: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(build_app(vendor)) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


def play(vendor: Any, story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(vendor) as client:
            await story(client)

    asyncio.run(main())


@pytest.fixture
def stripe_vendor(tmp_path: Path) -> StripeVendor:
    return StripeVendor(build_kit("stripe", tmp_path))


async def plant(client: httpx.AsyncClient, **spec: Any) -> None:
    assert (await client.post("/_sim/faults", json=spec)).status_code == 200


async def count(client: httpx.AsyncClient) -> int:
    return len((await client.get(CUSTOMERS, auth=AUTH)).json()["data"])


async def create(client: httpx.AsyncClient, name: str = "A") -> httpx.Response:
    return await client.post(CUSTOMERS, auth=AUTH, data={"name": name})


def test_faults_before_the_work_leave_nothing(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for kind, status in (("outage", 503), ("refuse_all", 500), ("rate_limit", 429)):
            await plant(client, kind=kind, count=1)
            answer = await create(client)
            assert (answer.status_code, "error" in answer.json()) == (status, True)
        await plant(client, kind="html", count=1)
        page = await create(client)
        assert (page.status_code, page.headers["content-type"][:9]) == (502, "text/html")
        assert await count(client) == 0

    play(stripe_vendor, story)


def test_faults_after_the_work_hide_that_it_happened(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await plant(client, kind="apply_then_500", count=1)
        assert (await create(client)).status_code == 500
        await plant(client, kind="cut_body", count=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await create(client)
        await plant(client, kind="apply_then_timeout", count=1)
        with pytest.raises(httpx.ReadTimeout):
            await client.post(CUSTOMERS, auth=AUTH, data={"name": "T"}, timeout=0.2)
        await plant(client, kind="apply_then_timeout", delay=0.05, count=1)
        assert (await create(client)).status_code == 504
        assert await count(client) == 4

    play(stripe_vendor, story)


def test_an_answer_may_name_an_id_in_use_or_belong_to_somebody_else(
    stripe_vendor: StripeVendor,
) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        first = (await create(client, "A")).json()
        await plant(client, kind="reuse_id", count=1)
        mixed = (await create(client, "B")).json()
        assert (mixed["id"], mixed["name"]) == (first["id"], "B")
        await plant(client, kind="other_tenant", method="GET", count=1)
        third = (await create(client, "C")).json()
        await client.get(f"{CUSTOMERS}/{first['id']}", auth=AUTH)
        answer = await client.get(f"{CUSTOMERS}/{third['id']}", auth=AUTH)
        assert answer.json()["name"] == "C"
        await plant(client, kind="other_tenant", method="GET", count=1)
        answer = await client.get(f"{CUSTOMERS}/{first['id']}", auth=AUTH)
        assert answer.json()["name"] == "C"
        assert await count(client) == 3

    play(stripe_vendor, story)


def test_lagging_read_misses_a_fresh_write(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await create(client)
        await plant(client, kind="lag", delay=60, count=1)
        assert await count(client) == 0
        assert await count(client) == 1

    play(stripe_vendor, story)


def test_concurrent_use_of_a_key_is_409_for_the_second(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await plant(client, kind="slow", delay=0.1, count=1)
        headers = {"idempotency-key": "k"}
        data = {"name": "A"}
        answers = await asyncio.gather(
            *(client.post(CUSTOMERS, auth=AUTH, data=data, headers=headers) for _ in range(2))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]

    play(stripe_vendor, story)


def test_account_wide_concurrency_limit(tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/_sim/latency", json={"seconds": 0.1})
        path = "/services/rest/record/v1/invoice"
        answers = await asyncio.gather(*(client.get(path) for _ in range(8)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [401] * 5 + [429] * 3
        limits = (await client.get("/_sim/limits")).json()
        assert limits == {"concurrency": 5, "highest": 5, "refused": 3}

    play(NetSuiteVendor(build_kit("netsuite", tmp_path)), story)


def test_control_api_explains_mistakes_and_resets(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/_sim/health")).json()["status"] == "ok"
        wrong = await client.post("/_sim/faults", json={"kind": "explode"})
        assert (wrong.status_code, "cut_body" in wrong.json()["error"]) == (400, True)
        assert (await client.get("/_sim/nothing")).status_code == 404
        await create(client)
        lines = (await client.get("/_sim/ledger?after=0")).text.splitlines()
        assert [json.loads(line)["object"] for line in lines] == ["customer"]
        state = (await client.post("/_sim/reset", json={"keep": ["webhooks"]})).json()
        assert state["ledger"] == 0
        assert await count(client) == 0

    play(stripe_vendor, story)


class Receiver:
    """A webhook receiver that refuses the first `refusals` deliveries."""

    def __init__(self, refusals: int = 0) -> None:
        self.bodies: list[Any] = []
        self.refusals = refusals

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        refused = self.refusals > 0
        self.refusals -= refused
        self.bodies.append(json.loads(body)["data"]["object"]["name"])
        await send(
            {"type": "http.response.start", "status": 500 if refused else 200, "headers": []}
        )
        await send({"type": "http.response.body", "body": b""})

    async def received(self, wanted: int) -> list[Any]:
        for _ in range(200):
            if len(self.bodies) >= wanted:
                break
            await asyncio.sleep(0.02)
        return self.bodies


def test_webhooks_are_retried_duplicated_held_and_resent(stripe_vendor: StripeVendor) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        receiver = Receiver(refusals=1)
        async with serving(receiver, lifespan="off") as url:
            await client.post("/_sim/webhooks", json={"url": url, "secret": "whsec_1"})
            await create(client, "first")
            assert await receiver.received(2) == ["first", "first"]
            await client.post("/_sim/webhooks/policy", json={"hold": True})
            for name in ("a", "b", "c"):
                await create(client, name)
            await asyncio.sleep(0.1)
            assert len(receiver.bodies) == 2
            policy = {"duplicate": 1, "shuffle_window": 3, "seed": 2, "concurrency": 1}
            await client.post("/_sim/webhooks/policy", json=policy)
            released = (await client.post("/_sim/webhooks/release")).json()["released"]
            assert released == 3
            late = (await receiver.received(8))[2:]
            assert (sorted(late), late == sorted(late)) == (["a", "a", "b", "b", "c", "c"], False)
            await client.post("/_sim/webhooks/policy", json={"duplicate": 0, "shuffle_window": 0})
            event = (await client.get("/v1/events", auth=AUTH)).json()["data"][0]["id"]
            await client.post("/_sim/webhooks/resend", json={"id": event})
            assert (await receiver.received(9))[-1] == "c"

    play(stripe_vendor, story)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "apps.simulators.stripe",
        "--port",
        str(port),
        "--state",
        str(folder),
    ]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}/_sim/health"
    for _ in range(200):
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return process
        time.sleep(0.05)
    raise AssertionError("the simulator did not start within ten seconds")


def test_killed_process_continues_where_it_was(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(tmp_path, port)
    assert httpx.post(url + CUSTOMERS, auth=AUTH, data={"name": "A"}).status_code == 200
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    process = start(tmp_path, port)
    try:
        found = httpx.get(url + CUSTOMERS, auth=AUTH).json()["data"]
        assert [customer["name"] for customer in found] == ["A"]
        assert (tmp_path / "stripe.ledger.jsonl").read_text().count("\n") == 1
    finally:
        process.terminate()
        process.wait(5)
