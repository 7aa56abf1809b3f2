"""What may be worked in a lane. Apps above register their kind of work; the lane asks it for jobs
in order of priority and hands back what became of them (call down, publish up)."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from apps.connectors.base import Connector
from apps.connectors.http import Session
from apps.connectors.models import Connection
from apps.core.errors import HubError

# A lane and what is claimed in it are held for so long, by the database's clock, and renewed while
# the worker lives: what a dead one held is free again after it (ADR-0019).
CLAIM_TTL = dt.timedelta(seconds=15)

# Codes of calls that the lane did not let through: the platform was not asked.
UNASKED = frozenset({"held", "claim_too_old"})


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    POSTING = 0
    LOOKUP = 1
    FETCH = 2
    POLL = 3
    SNAPSHOT = 4


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane as its work sees it. ``now`` is the database's clock; ``probing``: the circuit is
    half open, one call may go; ``draining``: finish what was begun, begin nothing new. ``born``
    (monotonic) is a moment before ``now`` was read: what is claimed now holds for the claim's
    time from then on, at least."""

    connection: Connection
    connector: Connector
    worker: str
    now: dt.datetime
    born: float
    probing: bool
    draining: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do at the platform: a few calls that belong together. ``item`` is its work's
    own. ``born`` (monotonic) is a moment before it was claimed."""

    item: Any
    run: Callable[[Session], Awaitable[Any]]
    born: float
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its value, or one of the four errors."""

    job: Job
    value: Any = None
    error: HubError | None = None


class LaneWork(Protocol):
    """One kind of work. All methods run in the worker's own thread, between calls."""

    name: str
    priority: Priority

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """At most ``room`` jobs that are due, claimed and committed."""
        ...

    def renew(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Hold on to jobs that are still out, for the claim's time from now on. What another
        worker has taken over meanwhile stays his."""
        ...

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        """Commit what came back."""
        ...


_works: dict[str, LaneWork] = {}


def register_lane_work(work: LaneWork) -> None:
    """Add a kind of work; called when its app loads."""
    _works[work.name] = work


def lane_works() -> list[LaneWork]:
    """All kinds, those first that go first."""
    return sorted(_works.values(), key=lambda work: (work.priority, work.name))
