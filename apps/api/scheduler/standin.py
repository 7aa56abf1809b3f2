"""Doing the work of a queue that nobody hears: no broker, or no worker that answers it."""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from apps.core.bells import Bell
from apps.core.jobs import run_here
from apps.core.stopping import stopping

logger = logging.getLogger(__name__)

# Threads for each queue, so that lanes which wait for slow platforms do not hold up the rest. Each
# holds a connection to the database while it works.
AT_ONCE = 4


class StandIn:
    """Runs the tasks that bells name in a few threads, each bell in one at a time."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._waiting: set[Bell] = set()
        self._running: set[Bell] = set()

    def is_at(self, bell: Bell) -> bool:
        """Whether a bell's task waits or runs here now."""
        return bell in self._waiting or bell in self._running

    def take(self, bell: Bell) -> None:
        """Run a bell's task soon; one that runs already is run again, one that waits is not."""
        if bell not in self._waiting and not stopping():
            self._waiting.add(bell)
            self._threads_of(bell.queue).submit(self._work, bell)

    def stop(self) -> None:
        """Let what runs end; what waits is still owed by its row."""
        for threads in self._threads.values():
            threads.shutdown(wait=True, cancel_futures=True)

    def _threads_of(self, queue: str) -> ThreadPoolExecutor:
        if queue not in self._threads:
            self._threads[queue] = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=queue)
        return self._threads[queue]

    def _work(self, bell: Bell) -> None:
        self._waiting.discard(bell)
        self._running.add(bell)
        try:
            run_here(bell)
        except Exception:  # the row stays due and is taken again
            logger.exception("%s failed in the stand-in", bell.task)
        finally:
            connections.close_all()
            self._running.discard(bell)
