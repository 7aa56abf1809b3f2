"""Order journey: one place an event, absence is drawn, boxes of a row never overlap."""

import datetime as dt
from itertools import pairwise

from apps.console.presentation.journey import (
    Journey,
    JourneyEvent,
    JourneyLane,
    lay_out_journey,
)

NOW = dt.datetime(2026, 11, 2, 11, 55, tzinfo=dt.timezone(dt.timedelta(hours=1)))
LANES = (JourneyLane("cpq", "CPQ"), JourneyLane("erp", "ERP"))


def _event(lane: str, days: float, **more: object) -> JourneyEvent:
    at = NOW + dt.timedelta(days=days)
    return JourneyEvent(lane, f"{lane} {days}", "booked", at, **more)  # type: ignore[arg-type]


def _shape(*events: JourneyEvent):
    return lay_out_journey(Journey(LANES, events, NOW))


def test_events_that_happen_together_share_a_place() -> None:
    shape = _shape(_event("cpq", -2), _event("erp", -2 + 0.002), _event("cpq", -1))

    first, second = shape.lanes[0].boxes
    assert shape.lanes[1].boxes[0].at == first.at < second.at


def test_expected_events_stand_right_of_now_and_late_ones_across_it() -> None:
    shape = _shape(
        _event("cpq", -1),
        _event("erp", -0.01, state="late"),
        _event("cpq", 0.2, state="expected"),
    )

    late, expected = shape.lanes[1].boxes[0], shape.lanes[0].boxes[1]
    assert late.at < shape.now < late.at + late.width
    assert expected.at > shape.now


def test_amendments_have_their_own_row() -> None:
    shape = _shape(_event("cpq", -2), _event("cpq", -2, generation=3))

    assert [box.row for box in shape.lanes[0].boxes] == [1, 2]
    assert shape.rows == 2
    assert _shape(_event("cpq", -2)).rows == 1


def test_boxes_of_a_row_never_overlap_nor_leave_the_picture() -> None:
    shape = _shape(*[_event("cpq", -i, state="done") for i in range(1, 15)])

    boxes = shape.lanes[0].boxes
    pairs = pairwise(boxes)
    assert all(one.at + one.width <= other.at for one, other in pairs)
    assert boxes[-1].at + boxes[-1].width <= 100
    assert shape.length == "long"


def test_quiet_stretches_are_marked_and_ticks_speak_the_reader_s_zone() -> None:
    shape = _shape(_event("cpq", -13), _event("cpq", -0.1), _event("erp", -0.05))

    assert len(shape.cuts) == 1
    assert [words for _, words in shape.ticks] == ["20 Oct", "2 Nov 09:31", "10:43"]
