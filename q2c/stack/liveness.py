"""Which workers are zombies: processes that live, and begin no task though the broker takes bells.

Judged by the heartbeats in PostgreSQL: a worker's process beats when it begins a task, and the
scheduler rings for idle ones every few seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import psycopg

# Above the hard time limit of a task (90 s), after which a busy worker has ended what it was at.
PATIENCE = 100.0
BELLS_FRESH = 15.0
LOOK_EVERY = 5.0
# Seconds since the last beat of each worker, and of the scheduler's bells (role "bells").
_AGES = """
SELECT CASE WHEN role = 'bells' THEN role ELSE split_part(worker, '@', 1) END,
       extract(epoch FROM clock_timestamp() - max(beat_at))::float
FROM jobs_heartbeat GROUP BY 1
"""

Ages = dict[str, float]


def read_ages(database_url: str) -> Ages:
    """The heartbeats' ages in seconds by worker; empty while the database does not answer."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            return dict(connection.execute(_AGES).fetchall())
    except psycopg.Error:
        return {}


@dataclass
class Liveness:
    """Remembers since when each worker was silent while bells were rung all the time."""

    read: Callable[[], Ages]
    patience: float = PATIENCE
    _silent_since: dict[str, float] = field(default_factory=dict)
    _next_look: float = 0.0

    def zombies(self, workers: Collection[str], now: float | None = None) -> list[str]:
        """Names of workers to start anew; ``now`` is monotonic seconds."""
        now = time.monotonic() if now is None else now
        if now < self._next_look or not workers:
            return []
        self._next_look = now + LOOK_EVERY
        ages = self.read()
        return [name for name in workers if self._is_zombie(name, ages, now)]

    def _is_zombie(self, name: str, ages: Ages, now: float) -> bool:
        since = self._silent_since.setdefault(name, now)
        rung = ages.get("bells", math.inf) < BELLS_FRESH
        if not rung or ages.get(name, math.inf) < now - since:
            self._silent_since[name] = now
            return False
        return now - since >= self.patience

    def forget(self, name: str) -> None:
        """A worker was started anew and has its time again."""
        self._silent_since.pop(name, None)
