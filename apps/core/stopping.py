"""Stopping within 20 s: what is under way finishes or is handed back, nothing waits for a lease.

The worker's main process raises the flag on SIGTERM; its children share the memory it lies in.
"""

import mmap
import struct
import time
from collections.abc import Callable

SLICE = 5.0  # seconds that one bell may hold a worker's process; then the rest is rung for anew
LAST_CALLS = 12.0  # seconds that calls under way may still take; the rest of the 20 s commits

# Made before the fork, so all children of a worker look at the same page.
_raised = mmap.mmap(-1, struct.calcsize("d"))


def stop_soon() -> None:
    """Say to this process and its children that they shall stop."""
    struct.pack_into("d", _raised, 0, time.monotonic())


def go_on() -> None:
    """Take it back."""
    struct.pack_into("d", _raised, 0, 0.0)


def stopping() -> bool:
    """Whether to take up nothing new."""
    return bool(_since())


def _since() -> float:
    raised: float = struct.unpack_from("d", _raised, 0)[0]
    return raised


def calls_end_at() -> float | None:
    """The monotonic moment at which calls under way are given up; None while nothing stops."""
    return _since() + LAST_CALLS if stopping() else None


def keep_working(step: Callable[[], object], *, seconds: float = SLICE) -> bool:
    """Repeat a step while it finds something to do, for a slice of time. True: more may be due."""
    end = time.monotonic() + seconds
    while not stopping():
        if not step():
            return False
        if time.monotonic() > end:
            return True
    return False
