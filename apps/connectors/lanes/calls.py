"""The calls of a lane run: an event loop of its own thread, so that results are committed by the
worker's thread while other calls are still out."""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence

from apps.connectors.base import Connector
from apps.connectors.errors import error_for, silence
from apps.connectors.http import ExchangeRecord
from apps.connectors.lanes.budget import Budget
from apps.connectors.lanes.gate import LaneGate
from apps.connectors.lanes.work import UNASKED, Done, Job, Priority
from apps.connectors.models import Connection
from apps.connectors.services import connect
from apps.core.errors import HubError

logger = logging.getLogger(__name__)

JOB_SECONDS = 55.0  # of a whole job: its wait for a place, its write and the reading back
# A write does not leave in the last seconds of a claim, so that nobody else has it meanwhile.
MARGIN = 3.0
BATCH, BATCH_SECONDS = 50, 0.05


class Calls:
    """Starts jobs and gathers what became of them. Used by one thread, between ``open`` and
    ``close``. No call outlasts the claim it was made under: see ``keep_until``."""

    def __init__(
        self, connection: Connection, connector: Connector, budget: Budget, *, until: float
    ) -> None:
        self.records: deque[ExchangeRecord] = deque()
        self.gate = LaneGate(connection.name, budget)
        self._connection, self._connector = connection, connector
        self.until = until
        self._jobs: dict[int, tuple[int, Job]] = {}  # out, with the number of their work
        self._limits: dict[int, tuple[asyncio.Timeout, Job]] = {}  # in the loop's thread
        self._done: queue.SimpleQueue[tuple[int, Done]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def out(self) -> int:
        """How many jobs have not come back yet."""
        return len(self._jobs)

    def jobs_out(self) -> dict[int, list[Job]]:
        """The jobs that have not come back yet, by the number of their work."""
        found: dict[int, list[Job]] = {}
        for work, job in self._jobs.values():
            found.setdefault(work, []).append(job)
        return found

    def open(self) -> None:
        """Begin. Raises ``ConfigurationError`` when the credentials cannot be opened."""
        self._thread.start()
        try:
            self._opening = connect(
                self._connection,
                record=self.records.append,
                gate=self.gate,
                read_limits=self._connector.limits,
                declared=frozenset(self._connector.capabilities),
                writes_until=lambda: self.until - MARGIN,
            )
            opened = asyncio.run_coroutine_threadsafe(self._opening.__aenter__(), self._loop)
            self._session = opened.result()
        except BaseException:
            self._stop()
            raise

    def close(self) -> None:
        """End; what is still out is cancelled and comes to no result."""
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
            self._jobs[id(job)] = (work, job)
            asyncio.run_coroutine_threadsafe(self._run(job, priority, work), self._loop)

    def shut(self) -> None:
        """Let nothing more through to the platform; what waits for a place is handed back."""
        self._loop.call_soon_threadsafe(self.gate.close)

    def keep_until(self, moment: float) -> None:
        """Calls may last until this moment (monotonic): the claims they were made under were
        renewed. A process that was frozen for longer finds its calls ended when it wakes."""
        self.until = moment
        self._loop.call_soon_threadsafe(self._move_ends)

    def _move_ends(self) -> None:
        for limit, job in self._limits.values():
            if not limit.expired():
                limit.reschedule(self._end_of(job))

    def _end_of(self, job: Job) -> float:
        return min(job.born + JOB_SECONDS, self.until)

    async def _run(self, job: Job, priority: Priority, work: int) -> None:
        session = self._session.at(priority)
        try:
            async with asyncio.timeout_at(self._end_of(job)) as limit:
                self._limits[id(job)] = (limit, job)
                done = Done(job, await job.run(session))
        except HubError as error:
            # A job of several writes that stops between them has asked something already.
            begun = error.facts.code in UNASKED and session.sent
            done = Done(job, error=self._given_up(job) if begun else error)
        except TimeoutError:
            done = Done(job, error=self._given_up(job))
        except asyncio.CancelledError:
            return  # the lane ends: the claim runs out and what was sent is looked up
        except Exception as error:
            logger.exception("connector fault in %s", self._connection.code)
            done = Done(job, error=fault(job, error))
        finally:
            self._limits.pop(id(job), None)
        self._done.put((work, done))

    def _given_up(self, job: Job) -> HubError:
        detail = "given up: its time was over, its claim not renewed, or the worker stops"
        return silence(self._connection.name, writes=job.writes, detail=detail)

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
            del self._jobs[id(done.job)]
            results.setdefault(work, []).append(done)
        return results


def fault(job: Job, error: Exception) -> HubError:
    """A fault of our own connector, or a result of it that cannot be written, is an unknown
    outcome, never a crash of the lane."""
    return error_for(
        "connector_fault" if job.writes else "no_answer_to_read",
        "The connector failed on the answer. The hub looks before anything is sent again.",
        detail=f"{type(error).__name__}: {error}"[:400],
    )
