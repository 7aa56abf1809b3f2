"""Starting what is measured, and watching a row until it says that the work is done."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".run-bench" / "logs"
PATIENCE = 60.0  # seconds before a measurement is given up
LOOK = 0.0005  # seconds between two looks at a single run
GLANCE = 0.02  # seconds between two looks at many


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], env: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A child process in its own group with pipes to it; ended with its children afterwards."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("a") as log:
        child = subprocess.Popen(
            command, env={**os.environ, **env}, cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(10)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def await_true(
    database: psycopg.Connection, query: str, parameters: Sequence[object], pause: float
) -> None:
    """Ask until the query answers true. Raises ``TimeoutError`` when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        row = database.execute(query, parameters).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {PATIENCE:.0f} s: {query}")
        time.sleep(pause)
