"""Stops what a launcher started when the launcher itself is gone, whatever ended it, kill -9
included.

A process of its own in a session of its own, started as a plain script (standard library only).
The launcher writes a line per child to its standard input: ``+ PID SIGNAL`` when it starts one,
``- PID`` when it has seen its end. The end of that input means that the launcher ended. Whatever
is still registered then gets its stop signal and, after a grace time, SIGKILL for its whole
process group. Last, any process that still carries this stack's mark in its environment is killed:
grandchildren that left their group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

MARK_VARIABLE = "Q2C_STACK_MARK"
GRACE_SECONDS = 8.0


def follow(lines: Iterator[str]) -> dict[int, int]:
    """Read the launcher's lines to their end; return the children still running as pid -> stop
    signal.
    """
    running: dict[int, int] = {}
    for line in lines:
        sign, pid, *rest = line.split()
        if sign == "+":
            running[int(pid)] = int(rest[0])
        else:
            running.pop(int(pid), None)
    return running


def exists(pid: int) -> bool:
    """Whether the process is there; init reaps it soon after its end, as its parent is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stop(running: dict[int, int], grace: float) -> None:
    """Ask every child to stop, wait, then kill the groups that are left."""
    for pid, signum in running.items():
        with contextlib.suppress(OSError):
            os.kill(pid, signum)
    deadline = time.monotonic() + grace
    while any(exists(pid) for pid in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in running:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def marked(mark: str) -> Iterator[int]:
    """Processes whose environment carries the mark (Linux; elsewhere none are found)."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid() and mark in _marks(name):
                yield int(name)


def _marks(pid: str) -> list[str]:
    """The marks of the stacks that a process belongs to: one, or several when a stack runs inside
    another.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            variables = stream.read().split(b"\0")
    except OSError:
        return []
    prefix = f"{MARK_VARIABLE}=".encode()
    return next((v[len(prefix) :].decode().split() for v in variables if v.startswith(prefix)), [])


def sweep(mark: str) -> None:
    """Kill the marked processes until none is found: one may fork while we look."""
    for _ in range(20):
        found = list(marked(mark))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def main(mark: str) -> None:
    """Wait for the launcher's end, then clean up."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    stop(follow(iter(sys.stdin)), GRACE_SECONDS)
    sweep(mark)


if __name__ == "__main__":
    main(sys.argv[1])
