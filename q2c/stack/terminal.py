"""The launcher's own lines on the terminal: one a stage, with its seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def say(text: str) -> None:
    """Print a line; a terminal that has gone away must not keep us from stopping things."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Report the stage and the seconds that its block took; on stderr, apart from any result."""
    started = time.monotonic()
    yield
    with contextlib.suppress(OSError):
        print(f"  {name:<52} {time.monotonic() - started:5.1f} s", file=sys.stderr, flush=True)


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented; empty when there is none."""
    with contextlib.suppress(OSError):
        tail = path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"    {line}" for line in tail)
    return ""
