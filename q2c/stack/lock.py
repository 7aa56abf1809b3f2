"""One stack per run directory: a second one would find the first one's servers and believe them
its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from datetime import datetime
from pathlib import Path

from q2c.stack.errors import StackError

# An earlier launcher that was killed leaves its guard, which needs a moment to stop what it left.
LEFTOVER_SECONDS = 20.0


class StackLock:
    """An advisory lock that the kernel frees however the launcher and its guard end."""

    def __init__(self, path: Path, purpose: str) -> None:
        self.path = path
        self.purpose = purpose
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def acquire(self) -> None:
        """Take the lock or raise StackError naming the process that holds it."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not self._try():
            holder = self._holder()
            if _alive(holder.get("pid")) or time.monotonic() > deadline:
                os.close(self.descriptor)
                raise StackError(self._refusal(holder))
            time.sleep(0.1)
        self._write()

    def release(self) -> None:
        """Give the lock up; the guard's copy of the descriptor keeps it until the guard ends."""
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _write(self) -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        text = json.dumps({"pid": os.getpid(), "purpose": self.purpose, "since": now})
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def _holder(self) -> dict[str, object]:
        try:
            holder = json.loads(os.pread(self.descriptor, 1000, 0) or b"{}")
        except ValueError:
            return {}
        return holder if isinstance(holder, dict) else {}

    def _refusal(self, holder: dict[str, object]) -> str:
        pid, since = holder.get("pid", "unknown"), holder.get("since", "unknown")
        purpose = holder.get("purpose", "another command")
        return (
            f"Already running: {purpose} (process {pid}, since {since}) uses {self.path.parent}.\n"
            f"Stop it with Ctrl-C in its terminal or `kill {pid}`, then start again; or use "
            "another directory: Q2C_STACK_DIR=/some/dir (Q2C_ERP_DIR for Tryton)."
        )


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
