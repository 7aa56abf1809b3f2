"""The door that every request of a lane passes: the budget's places, given by priority."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from apps.connectors.errors import error_for
from apps.connectors.lanes.budget import Budget
from apps.connectors.limits import Observation

LONGEST_WAIT = 15.0  # seconds; a call that found no place by then goes back, unsent
FAIR = 8  # every eighth place goes to whoever waits longest, so that nothing starves

_Waiting = tuple[int, int, asyncio.Future[None]]


class LaneGate:
    """Lives in the event loop of one lane run; ``budget`` is read elsewhere, changed here only."""

    def __init__(
        self, vendor_name: str, budget: Budget, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budget, self.clock, self.calls, self.refused = budget, clock, 0, 0
        self.most_out = 0
        self._name = vendor_name
        self._out: list[float] = []
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def enter(self, priority: int) -> None:
        """Wait for a place. Raises ``TransientError`` (held) when there is none."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), place))
        self._admit()
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await place
        except TimeoutError as error:
            raise self._held() from error

    def leave(self, seen: Observation) -> None:
        """A place is free again; what its answer said of limits changes the budget."""
        started = self._out.pop(0) if self._out else self.clock()
        now = self.clock()
        if seen.limits is not None and seen.limits.refused:
            self.refused += 1
        if seen.answered:
            self.budget.heard(now, min(started, now - seen.seconds), seen.seconds, seen.limits)
        self._admit()

    def close(self) -> None:
        """Nobody else may go: who waits is sent back, unsent. What is out comes to its end."""
        self._closed = True
        self._send_back()

    def _send_back(self) -> None:
        for _, _, place in self._waiting:
            if not place.done():
                place.set_exception(self._held())
        self._waiting.clear()

    def _admit(self) -> None:
        while self._waiting:
            if self._closed:
                self.close()
                return
            wait = self.budget.wait(self.clock(), len(self._out))
            if wait > LONGEST_WAIT:
                self._send_back()
            elif wait > 0:
                self._look_again(wait)
                return
            else:
                self._let_in(self._next())

    def _next(self) -> asyncio.Future[None]:
        if self.calls % FAIR != FAIR - 1:
            return heapq.heappop(self._waiting)[2]
        oldest = min(self._waiting, key=lambda one: one[1])
        self._waiting.remove(oldest)
        heapq.heapify(self._waiting)
        return oldest[2]

    def _let_in(self, place: asyncio.Future[None]) -> None:
        if place.done():  # it gave up meanwhile
            return
        now = self.clock()
        self.budget.take(now)
        self._out.append(now)
        self.calls += 1
        self.most_out = max(self.most_out, len(self._out))
        place.set_result(None)

    def _look_again(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(min(wait, 1.0), self._admit)

    def _held(self) -> Exception:
        return error_for(
            "held",
            f"There was no room for this call in the budget of {self._name}. Nothing was sent; "
            f"the hub goes on when there is.",
        )
