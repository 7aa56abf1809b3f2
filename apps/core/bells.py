"""Ringing in a thread of its own: a broker that is slow, frozen or gone holds up no caller.

A bell only says that something is due, so equal bells that wait are one bell, and bells that
cannot be rung may be dropped: the scheduler finds due rows by itself (ADR-0025).
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

logger = logging.getLogger(__name__)

PAUSE = 2.0  # seconds without a try after the broker did not answer
MOST_WAITING = 1000


class Bell(NamedTuple):
    """A task's name, the ids it is about, and the queue of the workers that shall hear it.

    ``gap``: seconds from one ring of this process to the next, for work that is cheaper done for
    many changes at once than for each. The first is rung at once, later ones at the gap's end.
    """

    task: str
    ids: tuple[str, ...] = ()
    queue: str = "default"
    gap: float = 0.0


class BellRinger:
    """Sends bells in the order they came, each once however often it was asked for meanwhile."""

    def __init__(self, send: Callable[[Bell], None]) -> None:
        self._send = send
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a thread does not survive a fork

    def _begin(self) -> None:
        self._waiting: dict[Bell, float] = {}  # monotonic seconds from which it may be rung
        self._rung: dict[Bell, float] = {}  # those with a gap
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._last_sent: float | None = None

    def ring(self, bell: Bell) -> None:
        """Have a bell rung soon. Returns at once, whatever the broker does."""
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                last = self._rung.get(bell)
                self._waiting.setdefault(bell, 0.0 if last is None else last + bell.gap)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bells", daemon=True)
                self._thread.start()
            self._changed.notify()

    def seconds_since_sent(self) -> float | None:
        """Since the broker last took a bell of this process; None when it never did."""
        return None if self._last_sent is None else time.monotonic() - self._last_sent

    def _run(self) -> None:
        while True:
            bell = self._next()
            try:
                self._send(bell)
                self._last_sent = time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next bell is tried
                logger.warning("bell for %s not rung: %s", bell.task, error)
                self._wait(PAUSE)

    def _next(self) -> Bell:
        with self._changed:
            while True:
                now = time.monotonic()
                bell = next((b for b, due in self._waiting.items() if due <= now), None)
                if bell is not None:
                    break
                soonest = min(self._waiting.values(), default=None)
                self._changed.wait(None if soonest is None else soonest - now)
            del self._waiting[bell]
            if bell.gap:
                self._rung[bell] = now
            return bell

    @staticmethod
    def _wait(seconds: float) -> None:
        threading.Event().wait(seconds)
