"""Maintenance windows in local time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from apps.connectors.lanes.windows import held_until, next_span, window_fault


@dataclass
class Window:
    starts: dt.time
    ends: dt.time
    weekdays: Sequence[int] = ()
    on_date: dt.date | None = None
    time_zone: str = "Europe/Berlin"


def at(year, month, day, hour, minute=0):
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


NIGHT = Window(dt.time(22), dt.time(2), weekdays=[6])  # Sunday evening, local time


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (at(2026, 11, 22, 20, 59), None),
        (at(2026, 11, 22, 21, 0), at(2026, 11, 23, 1)),
        (at(2026, 11, 23, 0, 59), at(2026, 11, 23, 1)),
        (at(2026, 11, 23, 1, 0), None),
        (at(2026, 11, 23, 21, 0), None),
        (at(2026, 7, 5, 20, 0), at(2026, 7, 6, 0)),  # summer time
    ],
)
def test_a_window_passes_midnight_in_its_own_zone(now, until):
    assert held_until([NIGHT], now) == until


def test_adjoining_windows_are_one():
    later = Window(dt.time(1), dt.time(4), on_date=dt.date(2026, 11, 23))
    assert held_until([later, NIGHT], at(2026, 11, 22, 22)) == at(2026, 11, 23, 3)


def test_the_night_of_the_clock_change_is_an_hour_longer():
    assert held_until([NIGHT], at(2026, 10, 25, 21, 30)) == at(2026, 10, 26, 1)
    spring = Window(dt.time(1), dt.time(4), on_date=dt.date(2026, 3, 29))
    assert held_until([spring], at(2026, 3, 29, 0)) == at(2026, 3, 29, 2)


def test_the_next_one_is_named():
    assert next_span([NIGHT], at(2026, 11, 23, 12)) == (at(2026, 11, 29, 21), at(2026, 11, 30, 1))


@pytest.mark.parametrize(
    "window",
    [
        Window(dt.time(1), dt.time(2), weekdays=[0], time_zone="Mars/Base"),
        Window(dt.time(1), dt.time(1), weekdays=[0]),
        Window(dt.time(1), dt.time(2)),
        Window(dt.time(1), dt.time(2), weekdays=[7]),
    ],
)
def test_what_is_wrong_is_said(window):
    assert window_fault(window)
    assert not window_fault(NIGHT)
