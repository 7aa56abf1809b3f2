"""A time axis whose quiet stretches are cut: twelve days and two hours both stay readable."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from apps.console.presentation.durations import duration

_CUT = 5.0  # percent of the width that a cut stretch keeps
_QUIET = 0.25  # a gap is cut when it is longer than this share of all activity


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the axis; ``start`` and ``end`` in percent, ``idle`` when nothing happened."""

    begins: dt.datetime
    ends: dt.datetime
    start: float
    end: float
    idle: bool

    def words(self) -> str:
        """What a cut mark says: ``2h 10m idle``."""
        return f"{duration((self.ends - self.begins).total_seconds())} idle"


@dataclass(frozen=True, slots=True)
class Axis:
    """Places moments between 0 and 100 percent."""

    stretches: tuple[Stretch, ...]

    def place(self, moment: dt.datetime) -> float:
        """Percent from the left; before the first and after the last moment it is the edge."""
        for stretch in self.stretches:
            if moment <= stretch.ends:
                whole = (stretch.ends - stretch.begins).total_seconds()
                part = (moment - stretch.begins).total_seconds() / whole if whole else 0.0
                return stretch.start + max(0.0, part) * (stretch.end - stretch.start)
        return 100.0 if self.stretches else 0.0


def cut_axis(spans: Iterable[tuple[dt.datetime, dt.datetime]]) -> Axis:
    """An axis over (begin, end) spans of activity, with long gaps between them cut."""
    busy = _merge(sorted(spans), _longest_kept(sorted(spans)))
    if not busy:
        return Axis(())
    seconds = [max(1.0, (end - begin).total_seconds()) for begin, end in busy]
    room = 100 - _CUT * (len(busy) - 1)
    stretches: list[Stretch] = []
    at = 0.0
    for (begin, end), length in zip(busy, seconds, strict=True):
        if stretches:
            stretches.append(Stretch(stretches[-1].ends, begin, at, at + _CUT, idle=True))
            at += _CUT
        wide = room * length / sum(seconds)
        stretches.append(Stretch(begin, end, at, at + wide, idle=False))
        at += wide
    return Axis(tuple(stretches))


def _longest_kept(spans: list[tuple[dt.datetime, dt.datetime]]) -> dt.timedelta:
    busy = sum(((end - begin) for begin, end in spans), dt.timedelta())
    return max(busy * _QUIET, dt.timedelta(seconds=20))


def _merge(
    spans: list[tuple[dt.datetime, dt.datetime]], kept: dt.timedelta
) -> list[tuple[dt.datetime, dt.datetime]]:
    merged: list[tuple[dt.datetime, dt.datetime]] = []
    for begin, end in spans:
        if merged and begin - merged[-1][1] <= kept:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged
