"""How fast and how wide a connection may be called: facts in, decision out, no clock.

The rate follows what the vendor states, else additive growth and multiplicative cuts at each
refusal; the width (calls at once) likewise, and it narrows when answers become slow. What is cut
below what went well before comes back fast, as TCP does after a loss: a passing refusal amid few
calls says little of the limit. Moments are monotonic seconds, rates are calls per second.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from apps.connectors.limits import Limits

SLOWEST = 0.1
CUT, NARROW = 0.85, 0.7
# After a refusal the budget stays still before it feels its way up again: seconds at first, twice
# as many each time that feeling its way was refused, so that it ends below two in a hundred calls.
FIRST_STILL, STILL_CALLS, STILL_SECONDS = 5.0, 100, 90.0
GROWTH, RETURN = 1.10, 2.0  # of the rate, in a second: beyond and up to what went well before
WINDOW = 3.0  # seconds over which the accepted rate is measured
PLENTY = 0.2  # of an allowance left: above this no need to pace
SLOW_FACTOR, SLOW_SECONDS = 4.0, 1.0
LATENESS = 0.25  # seconds of calls that a busy machine may make up for
UNMET = 100.0  # calls per second at which a rate is no limit any more


@dataclass(slots=True)
class Budget:
    """The state of one connection's budget while its lane is held."""

    ceiling: int
    width: float
    rate: float | None = None
    stated: float | None = None  # by the vendor's headers
    fixed: float | None = None  # by an administrator
    tokens: float = 1.0
    filled_at: float = 0.0
    held_until: float = 0.0
    cut_at: float = -1e9
    clean: int = 0
    grown_at: float = 0.0
    has_grown: bool = True  # since the last cut
    still: float = FIRST_STILL
    goal: float = UNMET  # up to here the rate comes back fast
    usual: float = 0.0
    lately: float = 0.0
    taken: deque[float] = field(default_factory=deque)

    @property
    def at_once(self) -> int:
        """How many calls may be out at once now."""
        return max(1, min(self.ceiling, round(self.width)))

    @property
    def pace(self) -> float | None:
        """Calls per second at most now; None when no limit is known."""
        known = [rate for rate in (self.rate, self.stated, self.fixed) if rate is not None]
        return min(known) if known else None

    def wait(self, now: float, out: int) -> float:
        """Seconds until one more call may go beside ``out`` others; 0 when it may now. A full
        width has no known end: a tenth of a second."""
        if now < self.held_until:
            return self.held_until - now
        if out >= self.at_once:
            return 0.1
        self._fill(now)
        pace = self.pace
        if pace is None or self.tokens >= 1:
            return 0.0
        return (1 - self.tokens) / pace

    def take(self, now: float) -> None:
        """A call leaves."""
        self._fill(now)
        self.tokens = max(0.0, self.tokens - 1)

    def _fill(self, now: float) -> None:
        pace = self.pace
        if pace is not None:
            most = max(1.0, pace * LATENESS)
            self.tokens = min(most, self.tokens + max(0.0, now - self.filled_at) * pace)
        self.filled_at = now

    def heard(self, now: float, started: float, seconds: float, limits: Limits | None) -> None:
        """An answer came: ``started`` says whether it is older than the last cut."""
        if limits is not None and limits.refused:
            self._refused(now, started, limits)
            return
        if limits is not None:
            self.stated = paced(limits)
        self.taken.append(now)
        self.clean += 1
        self._feel(seconds)
        if now - self.cut_at >= self.still or self.clean >= STILL_CALLS:
            self._grow(now)
        else:
            self.grown_at = now

    def _refused(self, now: float, started: float, limits: Limits) -> None:
        if limits.retry_after is not None:
            self.held_until = max(self.held_until, now + limits.retry_after)
        if started <= self.cut_at:
            return  # sent before the last cut: it says nothing new
        if self.has_grown:
            again = now - self.cut_at < 2 * STILL_SECONDS
            self.still = min(STILL_SECONDS, 2 * self.still) if again else FIRST_STILL
        if limits.reason != "concurrency":
            self._cut_rate(now)
        if limits.reason != "rate":
            self.width = max(1.0, self.width * NARROW)
        self.cut_at = self.grown_at = now
        self.clean, self.tokens, self.has_grown = 0, 0.0, False

    def _cut_rate(self, now: float) -> None:
        """To what is accepted; what is accepted during a spell of refusals is no measure."""
        accepted = self._accepted(now)
        if self.rate is None:
            self.rate = accepted
        elif self.has_grown:
            self.goal = CUT * self.rate
            self.rate = min(accepted, self.rate)
        self.rate = max(SLOWEST, CUT * self.rate)

    def _accepted(self, now: float) -> float:
        while self.taken and self.taken[0] < now - WINDOW:
            self.taken.popleft()
        return len(self.taken) / WINDOW

    def _feel(self, seconds: float) -> None:
        """Latency: the least seen lately is usual; several times that is a queue of theirs."""
        self.usual = min(self.usual * 1.01, seconds) if self.usual else seconds
        self.lately = seconds if not self.lately else 0.8 * self.lately + 0.2 * seconds
        if self.lately > SLOW_SECONDS and self.lately > SLOW_FACTOR * self.usual:
            self.width = max(1.0, self.width * 0.98)

    def _grow(self, now: float) -> None:
        passed = min(1.0, max(0.0, now - self.grown_at))
        self.grown_at, self.has_grown = now, True
        self.width = min(float(self.ceiling), self.width + 1 / max(1.0, self.width))
        if self.rate is None:
            return
        # A rate that the traffic does not reach is not tested, so it does not grow.
        if self._accepted(now) >= 0.6 * self.rate:
            self.rate *= (RETURN if self.rate < self.goal else GROWTH) ** passed
        if self.rate > UNMET:
            self.rate = None


def paced(limits: Limits) -> float | None:
    """The rate that a vendor's own figures ask for; None while plenty is left."""
    if limits.per_second is not None:
        return limits.per_second
    if limits.remaining is None or not limits.resets_in:
        return None
    if limits.allowance and limits.remaining > PLENTY * limits.allowance:
        return None
    return max(0.01, limits.remaining / limits.resets_in)


def kept(budget: Budget, now: float) -> dict[str, Any]:
    """What the next holder of the lane needs to know, as JSON."""
    return {
        "width": round(budget.width, 3),
        "rate": budget.rate and round(budget.rate, 4),
        "stated": budget.stated and round(budget.stated, 4),
        "usual": round(budget.usual, 4),
        "lately": round(budget.lately, 4),
        "clean": budget.clean,
        "still": budget.still,
        "goal": round(budget.goal, 4),
        "has_grown": budget.has_grown,
        "since_cut": round(min(now - budget.cut_at, STILL_SECONDS), 1),
    }


def resumed(known: dict[str, Any], *, ceiling: int, fixed: float | None, now: float) -> Budget:
    """The budget of a new holder. It begins with an empty bucket: what its predecessor sent last
    is not known to it. ``fixed`` is a rate that an administrator set."""
    return Budget(
        ceiling=ceiling,
        width=min(float(known.get("width") or ceiling), float(ceiling)),
        rate=known.get("rate"),
        stated=known.get("stated"),
        fixed=fixed,
        tokens=0.0,
        filled_at=now,
        usual=float(known.get("usual") or 0),
        lately=float(known.get("lately") or 0),
        clean=int(known.get("clean") or 0),
        still=float(known.get("still") or FIRST_STILL),
        goal=float(known.get("goal") or UNMET),
        has_grown=bool(known.get("has_grown", True)),
        cut_at=now - float(known.get("since_cut", STILL_SECONDS)),
        grown_at=now,
    )


def clears_in(
    backlog: int, *, jobs_per_second: float | None, calls_each: float, pace: float | None
) -> float | None:
    """Seconds until ``backlog`` writes are through while calls may be made: by the measured flow,
    or by what the limit allows when that is slower or nothing was measured yet. None: unknown."""
    if backlog == 0:
        return 0.0
    allowed = pace / max(calls_each, 0.1) if pace else None
    rates = [rate for rate in (jobs_per_second, allowed) if rate]
    return backlog / min(rates) if rates else None
