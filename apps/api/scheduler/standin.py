"""Doing the work of a queue that nobody hears: no broker, or no worker that answers it."""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from apps.core.bells import Bell
from apps.core.jobs import run_here

logger = logging.getLogger(__name__)

# Enough for a lane that waits for a slow platform beside the rest; each holds a connection.
AT_ONCE = 6


class StandIn:
    """Runs the tasks that bells name in a few threads, each bell in one at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="stand-in")
        self._at: set[Bell] = set()

    def is_at(self, bell: Bell) -> bool:
        """Whether a bell's task waits or runs here now."""
        return bell in self._at

    def take(self, bell: Bell) -> None:
        """Run a bell's task soon, unless it is at it."""
        if bell not in self._at:
            self._at.add(bell)
            self._threads.submit(self._work, bell)

    def stop(self) -> None:
        """Let what runs end; what waits is still owed by its row."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _work(self, bell: Bell) -> None:
        try:
            run_here(bell)
        except Exception:  # the row stays due and is taken again
            logger.exception("%s failed in the stand-in", bell.task)
        finally:
            connections.close_all()
            self._at.discard(bell)
