"""The calls of a lane run: an event loop of its own thread, so that results are committed by the
worker's thread while other calls are still out."""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from apps.connectors.base import Connector
from apps.connectors.errors import error_for
from apps.connectors.http import ExchangeRecord
from apps.connectors.lanes.budget import Budget
from apps.connectors.lanes.gate import LaneGate
from apps.connectors.lanes.work import Done, Job, Priority
from apps.connectors.models import Connection
from apps.connectors.services import connect
from apps.core.errors import HubError

logger = logging.getLogger(__name__)

# A claim holds for 60 s. A write leaves in its first 35 s and lasts at most 20 s, so that nobody
# else has the claim while it is out; a job as a whole ends before the claim does.
WRITES_WITHIN = 35.0
JOB_SECONDS = 55.0
BATCH, BATCH_SECONDS = 50, 0.05


class Calls:
    """Starts jobs and gathers what became of them. Used as a context manager by one thread."""

    def __init__(self, connection: Connection, connector: Connector, budget: Budget) -> None:
        self.records: deque[ExchangeRecord] = deque()
        self.out = 0
        self.gate = LaneGate(connection.name, budget)
        self._connection, self._connector = connection, connector
        self._done: queue.SimpleQueue[tuple[int, Done]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._opening = connect(
                self._connection,
                record=self.records.append,
                gate=self.gate,
                read_limits=self._connector.limits,
                declared=frozenset(self._connector.capabilities),
            )
            opened = asyncio.run_coroutine_threadsafe(self._opening.__aenter__(), self._loop)
            self._session = opened.result()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        try:
            closing.result(timeout=10)
        finally:
            self._stop()

    async def _close(self) -> None:
        here = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not here]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._opening.__aexit__(None, None, None)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def start(self, jobs: Sequence[Job], priority: Priority, work: int) -> None:
        """Begin jobs of one kind of work; ``work`` is its number."""
        for job in jobs:
            self.out += 1
            asyncio.run_coroutine_threadsafe(self._run(job, priority, work), self._loop)

    def shut(self) -> None:
        """Let nothing more through to the platform: the circuit opened."""
        self._loop.call_soon_threadsafe(self.gate.close)

    async def _run(self, job: Job, priority: Priority, work: int) -> None:
        left = JOB_SECONDS - (time.monotonic() - job.born)
        session = self._session.within(priority, job.born + WRITES_WITHIN)
        try:
            async with asyncio.timeout(max(0.0, left)):
                done = Done(job, await job.run(session))
        except HubError as error:
            done = Done(job, error=error)
        except asyncio.CancelledError:
            return  # the lane ends: the claim runs out and what was sent is looked up
        except Exception as error:
            logger.exception("connector fault in %s", self._connection.code)
            code = "connector_fault" if job.writes else "no_answer_to_read"
            done = Done(job, error=error_for(
                code,
                "The connector failed on the answer. The hub looks before anything is sent again.",
                detail=f"{type(error).__name__}: {error}"[:400],
            ))  # fmt: skip
        self._done.put((work, done))

    def gather(self, patience: float) -> dict[int, list[Done]]:
        """What came back, by the number of its work: at most 50, or what comes within 50 ms of
        the first. Empty when nothing comes within ``patience`` seconds."""
        results: dict[int, list[Done]] = {}
        until = time.monotonic() + patience
        for n in range(BATCH):
            if self.out == 0:
                break
            try:
                work, done = self._done.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if n == 0:
                until = time.monotonic() + BATCH_SECONDS
            self.out -= 1
            results.setdefault(work, []).append(done)
        return results
