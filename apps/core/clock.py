"""The clock is read at interfaces (views, tasks, commands) and passed down as ``now``.

A worker's own clock may be wrong. Processes that do due work set this one by the database's, and
from then on only their monotonic clock counts.
"""

import datetime as dt
import time

_set: tuple[dt.datetime, float] | None = None


def utc_now() -> dt.datetime:
    """The present moment, aware, in UTC."""
    if _set is None:
        return dt.datetime.now(dt.UTC)
    moment, then = _set
    return moment + dt.timedelta(seconds=time.monotonic() - then)


def set_clock(moment: dt.datetime | None) -> None:
    """Go by this moment (the database's) from now on; None goes back to the machine's clock."""
    global _set
    _set = None if moment is None else (moment, time.monotonic())
