"""One chunk's loop: strike by plan, keep everything else alive, wait, measure the recovery."""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

import httpx
import psycopg
import redis

from benchmarks.faults.database import HubDatabase
from benchmarks.faults.people import Operator
from benchmarks.faults.plan import Planned
from benchmarks.faults.returns import Returns
from benchmarks.faults.stack import VENDORS, Stack
from scenario.hub import HubRefused
from scenario.platforms import PlatformRefused

TICK = 0.1
LONGEST_RECOVERY = 90.0  # then it counts as that long, and the run goes on
OPERATOR_EVERY = 5.0
AWAY = (httpx.HTTPError, HubRefused, PlatformRefused, OSError, psycopg.Error, redis.RedisError)


@dataclass(slots=True)
class Struck:
    """One fault as it went: when, what exactly, and how long until the hub had recovered.

    ``plain_s``: from the fault's end until nothing of what the hub owed then still moved.
    ``recovery_s``: the same less ``circuit_s``, in which the circuit of a platform rested that
    these faults had struck; nothing is taken off when the hub had not recovered at the end of the
    wait. ``progress_s``: until the first change of any state.
    """

    number: int
    family: str
    kind: str
    what: dict[str, Any]
    at: str = ""
    lasted_s: float = 0.0
    owed: int = 0
    progress_s: float | None = None
    recovery_s: float | None = None
    plain_s: float | None = None
    circuit_s: float = 0.0
    met: list[str] = field(default_factory=list)  # kinds that struck at the same time
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def platform(self) -> str:
        """The platform that was struck, itself or its link; empty for any other fault."""
        named = str(self.notes.get("vendor") or self.what.get("link") or "")
        return named if named in VENDORS else ""


@dataclass
class Scene:
    """What a strike may use."""

    stack: Stack
    hub: HubDatabase
    chance: Random
    struck: Struck
    poisons: deque[str]  # what is put here makes the CRM fail on the next quotes sold
    returns: Returns

    @property
    def what(self) -> dict[str, Any]:
        return self.struck.what

    @property
    def notes(self) -> dict[str, Any]:
        return self.struck.notes


# A strike does something, yields how many seconds the fault lasts (more than once if it likes),
# and undoes what would not end by itself.
Strike = Callable[[Scene], Iterator[float]]


class _Going:
    """A fault under way: when its next step is due, None once it is over."""

    def __init__(self, strike: Strike, scene: Scene) -> None:
        self.steps, self.struck = strike(scene), scene.struck
        self.begun = time.monotonic()
        self.next_at: float | None = self.begun

    def step(self) -> None:
        """Take the next step if it is due."""
        if self.next_at is None or time.monotonic() < self.next_at:
            return
        try:
            self.next_at = time.monotonic() + next(self.steps)
            return
        except StopIteration:
            pass
        except AWAY as error:  # what should be struck is away already; the log says so
            self.struck.notes["not_struck"] = f"{type(error).__name__}: {error}"[:200]
        self.next_at = None
        self.struck.lasted_s = round(time.monotonic() - self.begun, 2)


class Conductor:
    """Runs the schedule in the main thread, which alone may start processes."""

    def __init__(
        self,
        stack: Stack,
        hub: HubDatabase,
        strikes: dict[str, Strike],
        operator: Operator,
        returns: Returns,
    ) -> None:
        self.stack, self.hub, self.strikes, self.operator = stack, hub, strikes, operator
        self.returns = returns
        self.poisons: deque[str] = deque()
        self.on_strike: Callable[[float], None] = lambda _: None
        self.log: list[Struck] = []
        self._operator_at = 0.0

    def run(self, groups: list[list[Planned]], say: Callable[[str], None]) -> None:
        """Strike each group of faults and wait until the hub has recovered from them."""
        for done, group in enumerate(groups, start=1):
            self.on_strike(done / len(groups))
            struck = self._strike(group)
            self._watch(struck)
            self.log += struck
            self.wait(group[0].pause)
            for one in struck:
                say(_line(one))

    def _strike(self, group: list[Planned]) -> list[Struck]:
        """Let the faults of a group run side by side to their ends."""
        going = [_Going(self.strikes[p.kind], self._scene(p)) for p in group]
        while any(one.next_at is not None for one in going):
            for one in going:
                one.step()
            self.wait(TICK)
        return [one.struck for one in going]

    def _scene(self, planned: Planned) -> Scene:
        struck = Struck(planned.number, planned.family, planned.kind, dict(planned.what))
        struck.at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        return Scene(self.stack, self.hub, Random(planned.seed), struck, self.poisons,
                     self.returns)  # fmt: skip

    def _watch(self, struck: list[Struck]) -> None:
        """Measure from the faults' end; a process that is down is started again meanwhile. Faults
        that met share the measurement, and the circuits that it leaves out."""
        begun = time.monotonic()
        at, before = self._moment(), self.hub.transitions()
        owed, resting, progress = max(0, self.hub.moving(at)), 0.0, None
        platforms = sorted({one.platform for one in struck} - {""})
        recovered = False
        while (elapsed := time.monotonic() - begun) < LONGEST_RECOVERY:
            if progress is None and self.hub.transitions() > before >= 0:
                progress = round(elapsed, 2)
            if recovered := self.hub.moving(at) == 0 and self._is_whole():
                break
            resting += TICK if self.hub.has_open_circuit(platforms) else 0
            self.wait(TICK)
        total = time.monotonic() - begun
        for one in struck:
            one.owed, one.progress_s, one.circuit_s = owed, progress, round(resting, 2)
            one.plain_s = round(total, 2)
            one.recovery_s = round(max(0.0, total - resting), 2) if recovered else one.plain_s
            one.met = [other.kind for other in struck if other is not one]
            if not recovered:
                one.notes["still_owed"] = self.hub.moving(at)

    def _is_whole(self) -> bool:
        return all(child.running for child in self.stack.running.values())

    def _moment(self) -> dt.datetime:
        while True:
            try:
                return self.hub.now()
            except psycopg.Error:
                self.wait(TICK)

    def wait(self, seconds: float) -> None:
        """Let time pass while somebody restarts what died and resumes what was paused."""
        end = time.monotonic() + seconds
        while True:
            self.stack.mend()
            if time.monotonic() >= self._operator_at:
                self._operator_at = time.monotonic() + OPERATOR_EVERY
                self.operator.resume_paused()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(TICK, left))

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait like that until something holds; False when the time is up."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            self.wait(0.3)
        return True

    def as_log(self) -> list[dict[str, Any]]:
        return [asdict(struck) for struck in self.log]


def _line(struck: Struck) -> str:
    where = struck.what.get("link") or struck.what.get("target") or struck.notes.get("vendor", "")
    recovered = f"{struck.recovery_s:.1f} s" if struck.recovery_s is not None else "never"
    if struck.circuit_s and struck.plain_s is not None:
        recovered += f" ({struck.plain_s:.1f} s with the circuit's rest)"
    return (
        f"{struck.number + 1:3d} {struck.kind} {where}: lasted {struck.lasted_s:.1f} s, "
        f"owed {struck.owed}, recovered in {recovered}"
    )
