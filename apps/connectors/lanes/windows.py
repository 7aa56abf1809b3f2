"""Maintenance windows: pure decisions over local times, through midnight and clock changes."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

DAY = dt.timedelta(days=1)


class Window(Protocol):
    """What a window says; see ``MaintenanceWindow``."""

    weekdays: Sequence[int]
    on_date: dt.date | None
    starts: dt.time
    ends: dt.time
    time_zone: str


def span_of(window: Window, day: dt.date) -> tuple[dt.datetime, dt.datetime] | None:
    """The window that starts on a local day, in UTC and half-open; None on other days."""
    named = window.weekdays and day.weekday() in window.weekdays
    if not named and day != window.on_date:
        return None
    zone = ZoneInfo(window.time_zone)
    last = day if window.ends > window.starts else day + DAY
    begins = dt.datetime.combine(day, window.starts, zone).astimezone(dt.UTC)
    ends = dt.datetime.combine(last, window.ends, zone).astimezone(dt.UTC)
    return begins, ends


def held_until(windows: Iterable[Window], now: dt.datetime) -> dt.datetime | None:
    """When the windows that hold at ``now`` are over, adjoining ones counted as one; None
    outside of every window."""
    spans = sorted(span for window in windows for span in _near(window, now))
    end: dt.datetime | None = None
    for begins, ends in spans:
        if begins <= (end or now) < ends:
            end = ends
    return end


def next_span(
    windows: Iterable[Window], now: dt.datetime
) -> tuple[dt.datetime, dt.datetime] | None:
    """The next window that begins after ``now``, within eight days."""
    spans = [span for window in windows for span in _near(window, now, ahead=8)]
    return min((span for span in spans if span[0] > now), default=None)


def _near(
    window: Window, now: dt.datetime, ahead: int = 1
) -> list[tuple[dt.datetime, dt.datetime]]:
    today = now.astimezone(ZoneInfo(window.time_zone)).date()
    days = [today + DAY * offset for offset in range(-1, ahead + 1)]
    return [span for day in days if (span := span_of(window, day)) is not None]


def window_fault(window: Window) -> str:
    """What is wrong with a window, in words; empty when nothing is."""
    if window.time_zone not in available_timezones():
        return f"There is no time zone {window.time_zone}. Write it as Europe/Berlin or UTC."
    if window.starts == window.ends:
        return "The window begins and ends at the same time. Give it a length."
    if bool(window.weekdays) == (window.on_date is not None):
        return "Choose weekdays or one date, not both."
    if any(day not in range(7) for day in window.weekdays):
        return "A weekday is a number from 0 (Monday) to 6 (Sunday)."
    return ""
