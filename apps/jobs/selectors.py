"""Who works, by the heartbeats in the database and the database's clock."""

import datetime as dt
from collections.abc import Mapping

from django.db import connection

# Longer than the hard time limit of a task (90 s): a worker whose processes are all busy for as
# long as they may be is not a zombie.
PATIENCE = dt.timedelta(seconds=100)
# The scheduler notes with this role that the broker takes its bells.
BELLS = "bells"

_AGES = "SELECT role, clock_timestamp() - max(beat_at) FROM jobs_heartbeat GROUP BY role"
_WORKER_AGE = """
SELECT clock_timestamp() - max(beat_at) FROM jobs_heartbeat WHERE starts_with(worker, %s)
"""


def ages_by_role() -> Mapping[str, dt.timedelta]:
    """How long ago the last beat of each role was."""
    with connection.cursor() as cursor:
        cursor.execute(_AGES)
        return dict(cursor.fetchall())


def age_of_worker(name: str) -> dt.timedelta | None:
    """How long ago a worker (its node's name) last began a task; None when it never did."""
    with connection.cursor() as cursor:
        cursor.execute(_WORKER_AGE, [f"{name}:"])
        age: dt.timedelta | None = cursor.fetchone()[0]
        return age
