"""Lengths of time and deadlines."""

import datetime as dt

import pytest

from apps.console.presentation.durations import Deadline, age, deadline, duration

NOW = dt.datetime(2026, 11, 2, 10, 55, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(45, "45s"), (22 * 60, "22m"), (3840, "1h 04m"), (-3840, "1h 04m"), (183600, "2d 3h")],
)
def test_duration(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0m"), (480, "8m"), (25 * 3600, "25h"), (3 * 86400, "3d")]
)
def test_age(seconds: int, shown: str) -> None:
    assert age(seconds) == shown


def test_a_deadline_is_calm_then_near_then_late() -> None:
    since = NOW - dt.timedelta(hours=3)

    calm = deadline(NOW + dt.timedelta(hours=3), NOW, since)
    near = deadline(NOW + dt.timedelta(hours=1), NOW, since)
    late = deadline(NOW - dt.timedelta(minutes=22), NOW, since)

    assert calm == Deadline("3h 00m", "calm", 50)
    assert near == Deadline("1h 00m", "near", 75)
    assert late == Deadline("\u221222m", "late", 100)


def test_without_a_beginning_the_share_is_not_guessed() -> None:
    assert deadline(NOW + dt.timedelta(hours=2), NOW).used == 0
    assert deadline(NOW + dt.timedelta(hours=2), NOW, NOW + dt.timedelta(hours=3)).used == 0
