"""A real Tryton server for the tests of this folder: the one that `make erp` runs, or one of their
own, which the first start makes within minutes and later ones within seconds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack.layout import REPOSITORY
from q2c.stack.tryton.server import SERVER_FILE, TrytonServer

HERE = Path(__file__).parent
BRING_UP_SECONDS = 280
PURPOSE = "the ERP tests"
FILE = REPOSITORY / os.environ.get("Q2C_ERP_DIR", ".run-erp") / SERVER_FILE


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One xdist worker runs them all, as they share a server; the first waits until it is up."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.erp)
            item.add_marker(pytest.mark.xdist_group("erp"))
            item.add_marker(pytest.mark.timeout(BRING_UP_SECONDS + 60))


@pytest.fixture(scope="session")
def tryton() -> Iterator[TrytonServer]:
    """The server as (url, database, login, password)."""
    deadline = time.monotonic() + BRING_UP_SECONDS
    launcher = _launch()
    while (server := _usable_server(launcher)) is None:
        assert time.monotonic() < deadline, f"Tryton was not up within {BRING_UP_SECONDS} s"
        if launcher.poll() is not None:
            launcher = _launch_again(launcher)
        time.sleep(0.2)
    yield server
    launcher.terminate()
    launcher.communicate()


def _launch() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "q2c.stack.tryton", PURPOSE],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _launch_again(launcher: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """After a refusal: another run of these tests has the server, and ends some time."""
    output, _ = launcher.communicate()
    assert "Already running" in output, f"Tryton did not start:\n{output}"
    time.sleep(2)
    return _launch()


def _usable_server(launcher: "subprocess.Popen[str]") -> TrytonServer | None:
    """Our launcher's server, or the one of `make erp`, which outlives this test run."""
    try:
        running = json.loads(FILE.read_text())
        process, purpose = running.pop("process"), running.pop("purpose")
        os.kill(process, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if process == launcher.pid or purpose == "make erp":
        return TrytonServer(**running)
    return None
