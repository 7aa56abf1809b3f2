"""The real web process on the tests' own database, to be frozen, killed and starved."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
UP_SECONDS = 60


def database_url():
    """The address of the database that this test runs on."""
    values = connection.settings_dict
    host, port = quote(str(values["HOST"]), safe=""), values["PORT"] or "5432"
    options = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in values["OPTIONS"].items())
    return (
        f"postgresql://{quote(values['USER'])}:{quote(values['PASSWORD'])}@/{values['NAME']}"
        f"?host={host}&port={port}&{options}".rstrip("&")
        if values["HOST"].startswith("/") or not values["HOST"]
        else f"postgresql://{quote(values['USER'])}:{quote(values['PASSWORD'])}@{values['HOST']}"
        f":{port}/{values['NAME']}?{options}".rstrip("?")
    )


@contextmanager
def web_process(**environment):
    """A running web process; gives its port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    words = [sys.executable, "-m", "uvicorn", "q2c.asgi:application", "--host", "127.0.0.1",
             "--port", str(port), "--ws", "websockets-sansio", "--no-access-log"]  # fmt: skip
    values = {**os.environ, "DATABASE_URL": database_url(), **environment}
    process = subprocess.Popen(words, cwd=ROOT, env=values, stderr=subprocess.DEVNULL)
    try:
        _wait_until_up(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def frozen_port():
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def _wait_until_up(port, process):
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the web process ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"the web process was not up within {UP_SECONDS} s")
