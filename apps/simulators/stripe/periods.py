"""Billing periods in unix seconds, anchored like Stripe's billing cycles."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECONDS = {"day": 86_400, "week": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Cycle:
    """Interval and count of a recurring price, e.g. month x 3."""

    interval: str
    count: int

    def boundary(self, anchor: int, steps: int) -> int:
        """The cycle boundary `steps` cycles after (or before) the anchor.

        Month ends are kept: a 31 January anchor gives 28 February, then 31 March.
        """
        if self.interval in SECONDS:
            return anchor + steps * self.count * SECONDS[self.interval]
        months = steps * self.count * (12 if self.interval == "year" else 1)
        start = datetime.fromtimestamp(anchor, UTC)
        index = start.year * 12 + start.month - 1 + months
        year, month = divmod(index, 12)
        day = min(start.day, monthrange(year, month + 1)[1])
        return int(start.replace(year=year, month=month + 1, day=day).timestamp())

    def steps_to(self, anchor: int, moment: int) -> int:
        """The largest k with boundary(k) <= moment."""
        spans = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}
        length = timedelta(days=spans[self.interval] * self.count).total_seconds()
        steps = int((moment - anchor) // length)
        while self.boundary(anchor, steps) > moment:
            steps -= 1
        while self.boundary(anchor, steps + 1) <= moment:
            steps += 1
        return steps


@dataclass(frozen=True, slots=True)
class Period:
    """What is billed: [start, end) of a natural cycle that spans [cycle_start, end)."""

    start: int
    end: int
    cycle_start: int

    @property
    def is_partial(self) -> bool:
        return self.start != self.cycle_start


def periods_until(cycle: Cycle, anchor: int, start: int, now: int) -> Iterator[Period]:
    """Natural cycles from `start` to the one that contains `now`, the first maybe partial."""
    steps = cycle.steps_to(anchor, start)
    while True:
        begin, end = cycle.boundary(anchor, steps), cycle.boundary(anchor, steps + 1)
        yield Period(max(begin, start), end, begin)
        if end > now:
            return
        steps += 1


def next_period(cycle: Cycle, anchor: int, after: int) -> Period:
    """The full cycle that begins at the boundary `after`."""
    steps = cycle.steps_to(anchor, after)
    begin, end = cycle.boundary(anchor, steps), cycle.boundary(anchor, steps + 1)
    return Period(after, end, begin)
