"""The web process shares a bounded pool and gets over a restarted server (REL-51)."""

import asyncio
import os
import threading
import time

import httpx
import psycopg
import pytest
from django.db import connection

from q2c.stack.ports import random_free_port
from tests.platform.rig import Hub, wait_for

POOL = 12
AT_ONCE = 500
WEB = "-m uvicorn q2c.asgi:application --host 127.0.0.1 --port {} --no-access-log"
NAME = "web-under-test"


@pytest.fixture
def web(hub: Hub) -> str:
    """A running web process; its address."""
    address = f"http://127.0.0.1:{(port := random_free_port())}"
    hub.start("web", WEB.format(port), Q2C_POOL_SIZE=str(POOL), PGAPPNAME=NAME)
    wait_for(lambda: answers(address), 30, "the web process")
    return address


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class Watch(threading.Thread):
    """Counts the web process's connections, ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        self.most = 0

    def run(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as watching:
            while not self.over.wait(0.1):
                self.most = max(self.most, connections_of_web(watching))


def connections_of_web(watching: psycopg.Connection) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    row = watching.execute(query, [NAME]).fetchone()
    return int(row[0]) if row else 0


async def ask(address: str, count: int, path: str) -> list[int]:
    """Status of each of many requests at once; 0 for one without an answer."""
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(limits=limits, timeout=100, trust_env=False) as client:
        answers = await asyncio.gather(
            *(client.get(f"{address}{path}") for _ in range(count)), return_exceptions=True
        )
    return [a.status_code if isinstance(a, httpx.Response) else 0 for a in answers]


@pytest.mark.platform
@pytest.mark.timeout(180)
def test_500_requests_at_once_share_the_pool(web: str):
    watch = Watch()
    watch.start()
    begun = time.monotonic()
    statuses = asyncio.run(ask(web, AT_ONCE, "/healthz/"))
    watch.over.set()
    watch.join()
    took = time.monotonic() - begun
    print(f"\n{AT_ONCE} requests in {took:.1f} s with at most {watch.most} connections")
    assert statuses == [200] * AT_ONCE
    assert 0 < watch.most <= POOL


@pytest.mark.platform
@pytest.mark.timeout(180)
def test_connections_that_the_server_closed_fail_one_request_each_at_most(web: str):
    asyncio.run(ask(web, 100, "/healthz/"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = %s",
            [NAME],
        )
        (closed,) = cursor.fetchone()
    statuses = asyncio.run(ask(web, 100, "/healthz/"))
    failed = [status for status in statuses if status != 200]
    print(f"\n{closed} connections closed by the server, {len(failed)} of 100 requests failed")
    assert closed > 0
    assert len(failed) <= closed
    assert set(asyncio.run(ask(web, 100, "/healthz/"))) == {200}


def test_a_worker_keeps_no_pool():
    """Settings outside the web process: a plain connection, closed when its work is done."""
    settings = connection.settings_dict
    assert "pool" not in settings["OPTIONS"]
    assert settings["CONN_MAX_AGE"] == 0
    assert settings["CONN_HEALTH_CHECKS"] is True
