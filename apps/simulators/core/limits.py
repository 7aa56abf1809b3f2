"""How much a vendor lets one account do: requests per second, requests at once."""

from __future__ import annotations

import time


class TokenBucket:
    """Requests per second with a burst of the same size; rate 0 means no limit."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._tokens = per_second
        self._at = time.monotonic()

    def take(self) -> bool:
        if self.per_second <= 0:
            return True
        now = time.monotonic()
        self._tokens = min(self.per_second, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ConcurrencyGate:
    """Requests in progress at once; the one above the limit is refused, never queued."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_progress = 0
        self.highest = 0
        self.refused = 0

    def enter(self) -> bool:
        if self.in_progress >= self.limit:
            self.refused += 1
            return False
        self.in_progress += 1
        self.highest = max(self.highest, self.in_progress)
        return True

    def leave(self) -> None:
        self.in_progress -= 1
