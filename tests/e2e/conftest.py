"""The console in Chromium: the hub in a process of its own, and a small committed world."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, expect
from psycopg.conninfo import make_conninfo

from tests.factories.world import World, build_world

# Playwright's sync API keeps an event loop in this thread; the ORM is used here on purpose.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
PASSWORD = "open sesame"
expect.set_options(timeout=15_000)  # several test processes share the machine
SignIn = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = pytest.mark.skip(reason="Chromium is not installed: apt-get install chromium")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.django_db(transaction=True))
            if not CHROMIUM:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "headless": True,
        "args": [
            "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
        ],
    }  # fmt: skip


@pytest.fixture
def world(transactional_db: None) -> World:
    """Committed rows, taken away again after the test."""
    return build_world(cases=24)


@pytest.fixture(scope="session")
def address(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base address of a hub that runs in its own process on the test database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [
        sys.executable, "-m", "uvicorn", "q2c.asgi:application", "--port", str(port),
        "--ws", "websockets-sansio", "--no-access-log", "--timeout-graceful-shutdown", "10",
    ]  # fmt: skip
    environment = {**os.environ, "DATABASE_URL": _test_database(), "PYTHONFAULTHANDLER": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _await_health(f"http://127.0.0.1:{port}", server, log)
        yield f"http://127.0.0.1:{port}"
        _stop(server, log)


def _stop(server: subprocess.Popen[bytes], log: Path) -> None:
    """A hub that does not stop in time is aborted, so that its log shows what each thread did."""
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGABRT)
        server.wait(timeout=10)
        pytest.fail(f"the hub did not stop:\n{log.read_text()[-12_000:]}")


def _test_database() -> str:
    made = connection.settings_dict
    parts = {"dbname": made["NAME"], "user": made["USER"], "password": made["PASSWORD"],
             "host": made["HOST"], "port": made["PORT"]}  # fmt: skip
    return make_conninfo(**{key: value for key, value in parts.items() if value})


def _await_health(base: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the hub answers; a server that ends or stays silent shows its log."""
    until = time.monotonic() + 40
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{base}/healthz/", timeout=2).status_code == 200:
                return
        threading.Event().wait(0.1)
    server.terminate()
    pytest.fail(f"the hub did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def sign_in(browser: Browser, address: str, world: World) -> Iterator[SignIn]:
    """Open a browser context of its own and sign a user in; faults of the page fail the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_console(username: str, *, theme: str = "light", width: int = 1440) -> Page:
        context = browser.new_context(
            base_url=address, locale="en-GB", timezone_id="UTC", reduced_motion="reduce",
            viewport={"width": width, "height": 900}, color_scheme=theme,  # type: ignore[arg-type]
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if _is_fault(m.text) else None)
        page.goto("/sign-in/")
        page.fill("#id_username", username)
        page.fill("#id_password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        return page

    yield open_console
    for context in contexts:
        context.close()
    assert faults == []


def _is_fault(text: str) -> bool:
    return "Content Security Policy" in text or "Uncaught" in text
