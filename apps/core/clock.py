"""The clock is read at interfaces (views, tasks, commands) and passed down as ``now``."""

import datetime as dt


def utc_now() -> dt.datetime:
    """The present moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
