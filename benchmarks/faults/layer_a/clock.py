"""Time that passes by moving the rows' times into the past, and the next moment of interest."""

import datetime as dt
import time
from functools import cache

from django.db import connection

# Where work becomes due by itself: table, column, which rows.
DUE = (
    ("postings_posting", "due_at", "state IN ('queued', 'unknown', 'posted')"),
    ("postings_posting", "claimed_until", "state = 'sending'"),
    ("ingestion_delivery", "due_at", "split_at IS NULL"),
    ("ingestion_inboundevent", "due_at", "state IN ('received', 'processing')"),
    ("workflows_workflowrun", "due_at", "true"),
    ("connectors_connection", "circuit_until", "true"),
    ("jobs_lease", "expires_at", "true"),
)
LONGEST_HORIZON = 5.0  # seconds; a statistics run is over in a fraction of one
_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
  AND (column_name ~ '(_until|due_at|deadline|expires_at)$' OR column_name LIKE 'next\\_%%')
  AND table_name !~ '^(django|auth|users|approvals|collaboration|exceptions|monitoring)_'
ORDER BY 1, 2
"""


class Clock:
    """Seconds that have passed on top of the real ones; platforms count visibility by it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass for every claim, lease, deadline and due moment that still lies ahead."""
        self.passed += seconds
        with connection.cursor() as cursor:
            for table, column in _moments():
                cursor.execute(
                    f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s) "  # noqa: S608 - names of the catalogue
                    f"WHERE {column} > clock_timestamp() AND {column} < 'infinity'",
                    [seconds],
                )
            cursor.execute(
                "UPDATE postings_posting SET first_sent_at = first_sent_at "
                "- make_interval(secs => %s) WHERE state IN ('sending', 'unknown')",
                [seconds],
            )

    def is_settled(self) -> bool:
        """Whether every event can be read. An open transaction anywhere in the server (a vacuum's
        statistics, say) holds the horizon for a moment, which is waited for in real time."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM events_event "
                "WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()))"
            )
            held = bool(cursor.fetchone()[0])
        if held:
            time.sleep(0.05)
        return not held

    def wait_settled(self) -> None:
        """Wait for that, so that what is counted of a sweep does not hang on who else is busy."""
        end = time.monotonic() + LONGEST_HORIZON
        while not self.is_settled() and time.monotonic() < end:
            pass

    def seconds_to_next(self) -> float | None:
        """Until something becomes due by itself; None when nothing ever will."""
        looks = " UNION ALL ".join(
            f"SELECT min({column}) AS at FROM {table} "  # noqa: S608 - names of this module
            f"WHERE {condition} AND {column} > clock_timestamp() AND {column} < 'infinity'"
            for table, column, condition in DUE
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT min(at) - clock_timestamp() FROM ({looks}) AS looks")  # noqa: S608
            found: dt.timedelta | None = cursor.fetchone()[0]
        return None if found is None else max(found.total_seconds(), 0.0) + 0.01


@cache
def _moments() -> tuple[tuple[str, str], ...]:
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        return tuple(cursor.fetchall())
