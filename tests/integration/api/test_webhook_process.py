"""The webhook door of the real web process: broken brokers, slow and endless bodies, a pool."""

import asyncio
import json
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connection

from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.connectors.services import store_secrets
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.ingestion.models import Delivery, Quarantine, SeenMessage
from tests.builders.inbound import SECRET, event_body, signature
from tests.builders.web import frozen_port, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("web")]


@pytest.fixture(scope="module")
def port(django_db_setup, django_db_blocker):
    """A web process whose Redis takes connections and answers nothing."""
    with django_db_blocker.unblock(), frozen_port() as redis:
        address = f"redis://127.0.0.1:{redis}/0"
        with web_process(REDIS_URL=address, Q2C_POOL_SIZE="12") as web:
            yield web


@pytest.fixture
def stripe():
    with acting(system_actor("tests")):
        return Connection.objects.create(
            code=f"stripe-{uuid.uuid4().hex[:8]}", name="Stripe", vendor="stripe", role="billing",
            secrets=seal({"webhook_secrets": [SECRET]}),
        )  # fmt: skip


def _headers(body):
    return {"Stripe-Signature": signature(body), "Content-Type": "application/json"}


def _post(client, source, body):
    return client.post(f"/webhooks/{source.code}/", content=body, headers=_headers(body))


@pytest.fixture
def client(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as given:
        yield given


def test_it_answers_while_redis_does_not(client, stripe):
    """REL-02. The connections of the broker hang; no message waits for one."""
    _post(client, stripe, event_body())
    took = []
    for _ in range(100):
        started = time.monotonic()
        assert _post(client, stripe, event_body()).status_code == 200
        took.append(time.monotonic() - started)
    assert Delivery.objects.count() == 101
    assert sorted(took)[98] < 0.3


def test_a_thousand_repetitions_are_one_row(client, stripe):
    """REL-03: one message, a thousand times, twenty at once."""
    body = event_body()

    def send(_):
        return _post(client, stripe, body).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(send, range(1000))) == {200}
    assert Delivery.objects.count() == 1
    assert SeenMessage.objects.get().duplicates == 999


def test_its_headers_are_those_of_a_closed_door(client, stripe):
    answer = _post(client, stripe, event_body())
    names = ("x-content-type-options", "x-frame-options", "content-security-policy")
    assert all(name in answer.headers for name in names)
    assert "set-cookie" not in answer.headers
    assert client.get(f"/webhooks/{stripe.code}/").status_code == 405
    assert client.post("/webhooks/a/b/c/d/").status_code == 404


def test_a_new_secret_counts_at_once(client, stripe, actor, now):
    assert _post(client, stripe, event_body()).status_code == 200
    store_secrets(stripe.id, {"webhook_secrets": ["whsec_other"]}, actor=actor, now=now)
    assert _post(client, stripe, event_body()).status_code == 401
    store_secrets(stripe.id, {"webhook_secrets": [SECRET]}, actor=actor, now=now)
    assert _post(client, stripe, event_body()).status_code == 200


def _raw(port, head, *parts, pause=0.0):
    """Send a request piece by piece; what came back, and after how long."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(head)
        try:
            for part in parts:
                wire.sendall(part)
                time.sleep(pause)
                wire.setblocking(False)
                try:
                    if wire.recv(1, socket.MSG_PEEK):
                        break
                except BlockingIOError:
                    pass
                finally:
                    wire.settimeout(60)
        except OSError:
            pass
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
    return answer, time.monotonic() - started


def _head(source, body, length):
    lines = [f"POST /webhooks/{source.code}/ HTTP/1.1", "Host: 127.0.0.1",
             f"Content-Length: {length}"]  # fmt: skip
    lines += [f"{name}: {value}" for name, value in _headers(body).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_body_that_drips_is_answered_and_kept(port, stripe):
    body = event_body()
    drops = [body[n : n + 1] for n in range(len(body))]
    answer, took = _raw(port, _head(stripe, body, len(body)), *drops, pause=0.25)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()
    assert 9 < took < 15
    kept = Quarantine.objects.get()
    assert (kept.reason, kept.status_code, kept.size) == ("too_slow", 408, len(body))
    assert kept.raw
    assert body.startswith(bytes(kept.raw))
    assert not Delivery.objects.exists()


def test_a_large_body_is_refused_before_it_comes(port, stripe):
    answer, took = _raw(port, _head(stripe, b"{", 20 * 1024 * 1024))
    assert answer.startswith(b"HTTP/1.1 413")
    assert took < 5
    kept = Quarantine.objects.get()
    assert (kept.reason, kept.size) == ("too_large", 20 * 1024 * 1024)


def test_a_large_body_of_no_stated_length_is_cut(port, stripe, client):
    def endless():
        for _ in range(40):
            yield b" " * 65536

    answer = client.post(f"/webhooks/{stripe.code}/", content=endless(), headers=_headers(b""))
    assert answer.status_code == 413
    kept = Quarantine.objects.get()
    assert kept.reason == "too_large"
    assert len(bytes(kept.raw)) == 64 * 1024


def test_a_sender_that_hangs_up_leaves_what_came(port, stripe):
    body = event_body()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(_head(stripe, body, len(body)) + body[:50])
    deadline = time.monotonic() + 10
    while not Quarantine.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    kept = Quarantine.objects.get()
    assert (kept.reason, bytes(kept.raw)) == ("cut_off", body[:50])


def test_many_requests_share_a_pool(port, stripe):
    """REL-51: 500 at once, of pages and of the door, never more connections than the pool has."""
    most, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.02):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
                most[0] = max(most[0], cursor.fetchone()[0])
        connection.close()

    async def burst():
        limits = httpx.Limits(max_connections=500)
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=60, limits=limits) as many:
            bodies = [event_body() for _ in range(250)]
            calls = [
                many.post(f"/webhooks/{stripe.code}/", content=b, headers=_headers(b))
                for b in bodies
            ]
            pages = [many.get("/sign-in/") for _ in range(250)]
            return [r.status_code for r in await asyncio.gather(*calls, *pages)]

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        codes = asyncio.run(burst())
    finally:
        stop.set()
        watcher.join()
    assert json.dumps(codes).count("200") == len(codes)
    assert 4 <= most[0] <= 12 + 1  # and this test's own
