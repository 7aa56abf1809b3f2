"""From the lock to the last cleaned-up process: the frame around everything that the launcher
does.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from q2c.stack.children import Children
from q2c.stack.errors import Interrupted
from q2c.stack.layout import RunDirectory
from q2c.stack.lock import StackLock

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Session:
    """A locked run directory and the children started in it."""

    run: RunDirectory
    children: Children


@contextlib.contextmanager
def session(directory: str, purpose: str) -> Iterator[Session]:
    """Hold the run directory's lock; on the way out, however that comes, stop every child. INT,
    TERM and HUP arrive as Interrupted.
    """
    run = RunDirectory.at(directory)
    lock = StackLock(run.file("lock"), purpose)
    lock.acquire()
    children = Children(lock.descriptor)
    _listen()
    try:
        yield Session(run, children)
    finally:
        for signum in STOP_SIGNALS:  # we are stopping already, and it does not take long
            signal.signal(signum, signal.SIG_IGN)
        children.close()
        lock.release()


def _listen() -> None:
    for signum in STOP_SIGNALS:
        # Under nohup the hang-up stays ignored.
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _interrupt)


def _interrupt(signum: int, _frame: FrameType | None) -> None:
    raise Interrupted(signum)
