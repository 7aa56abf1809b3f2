"""Workflow timeline: idle stretches are cut, bars keep their order and never overlap."""

import datetime as dt
from itertools import pairwise

from apps.console.presentation.axis import cut_axis
from apps.console.presentation.timeline import (
    Timeline,
    TimelineStep,
    lay_out_timeline,
    summary,
)

NOW = dt.datetime(2026, 11, 2, 12, 0, tzinfo=dt.UTC)
LANES = (("cpq", "CPQ"), ("erp", "ERP"))


def _at(minutes: float) -> dt.datetime:
    return NOW - dt.timedelta(minutes=minutes)


def test_a_long_gap_is_cut_and_named() -> None:
    axis = cut_axis([(_at(300), _at(290)), (_at(10), _at(0))])

    busy, idle, later = axis.stretches
    assert (busy.idle, idle.idle, later.idle) == (False, True, False)
    assert idle.words() == "4h 40m idle"
    assert round(busy.end - busy.start, 6) == round(later.end - later.start, 6)
    assert round(axis.place(_at(0)), 6) == 100.0
    assert axis.place(_at(400)) == 0.0


def test_no_activity_is_an_empty_axis() -> None:
    assert cut_axis([]).stretches == ()
    assert cut_axis([]).place(NOW) == 0.0


def test_bars_of_a_lane_do_not_overlap() -> None:
    steps = tuple(
        TimelineStep("cpq", f"Step {i}", _at(60 - i * 0.01), _at(60 - i * 0.01), "done")
        for i in range(5)
    )
    shape = lay_out_timeline(Timeline(LANES, (*steps, _erp("failed")), NOW))

    bars = [bar for bar in shape.bars if bar.lane == 0]
    assert all(one.at + one.width < other.at for one, other in pairwise(bars))


def _erp(state: str) -> TimelineStep:
    tries = (_at(30), _at(25), _at(20))
    return TimelineStep("erp", "Invoice create", _at(30), _at(18), state, tries)  # type: ignore[arg-type]


def test_attempts_after_the_first_are_notches() -> None:
    shape = lay_out_timeline(Timeline(LANES, (_erp("failed"),), NOW))

    assert len(shape.bars[0].notches) == 2
    assert shape.now == 100.0


def test_the_picture_is_told_in_a_sentence() -> None:
    done = TimelineStep("cpq", "Book", _at(60), _at(59), "done")

    assert summary(Timeline(LANES, (done, _erp("failed")), NOW)) == (
        "1 of 2 steps done; Invoice create failed in ERP after 3 tries."
    )
    assert summary(Timeline(LANES, (done,), NOW)) == "1 of 1 steps done."
