"""Order journey: every document of a contract in its system's lane, on one axis by event.

The axis gives each event the same width and cuts what lies between, because a contract has quiet
weeks and busy minutes. What must still come is an object too: a dashed box right of now, and
across now when it is late.
"""

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from apps.console.presentation.percent import whole_percent

EventState = Literal["done", "failed", "expected", "soon", "late"]
_TOGETHER = dt.timedelta(
    minutes=10
)  # events this close share a place when their boxes do not collide
_QUIET = dt.timedelta(days=3)  # a stretch this long is marked as cut
_WIDEST = 14.0  # percent: with few events boxes stay boxes
_LETTER = 0.6  # percent that a letter of 11 px takes at the usual width
_LONG, _VERY_LONG = 12, 20  # places from which the picture scrolls sideways
_FUTURE = ("expected", "soon")


@dataclass(frozen=True, slots=True)
class JourneyEvent:
    """A document or a step. ``at`` is when it happened, or is due if expected, soon or late.

    ``generation`` is 1 for the original and 2 or more for amendments; ``key`` and ``related`` name
    documents whose boxes light up together.
    """

    lane: str
    title: str
    detail: str
    at: dt.datetime
    state: EventState = "done"
    generation: int = 1
    url: str = ""
    key: str = ""
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JourneyLane:
    """A system; ``last_known`` is a clock time when its present state cannot be read."""

    key: str
    name: str
    note: str = ""
    last_known: str = ""


@dataclass(frozen=True, slots=True)
class Journey:
    """Lanes from top to bottom, events in any order, now in the reader's zone."""

    lanes: tuple[JourneyLane, ...]
    events: tuple[JourneyEvent, ...]
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Box:
    """An event's box: row 1 for the original, 2 for amendments; place and width in percent."""

    event: JourneyEvent
    row: int
    at: int
    width: int


@dataclass(frozen=True, slots=True)
class LaneShape:
    """A lane with its boxes in order of time."""

    lane: JourneyLane
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class JourneyShape:
    """Everything to draw. ``ticks`` are (percent, words), ``cuts`` and ``now`` percent."""

    lanes: tuple[LaneShape, ...]
    ticks: tuple[tuple[int, str], ...]
    cuts: tuple[int, ...]
    now: int
    rows: int
    length: Literal["", "long", "very-long"]


@dataclass(frozen=True, slots=True)
class _Place:
    """One step of the axis: the moment it stands for and the events in it."""

    moment: dt.datetime
    events: tuple[JourneyEvent, ...]
    at_now: bool = False


def lay_out_journey(journey: Journey) -> JourneyShape:
    """Equal steps for past events, one for what is late, equal steps for what must come."""
    places, before_now = _places(journey)
    unit = min(_WIDEST, 100 / (len(places) + 0.4))
    at = {id(event): i for i, place in enumerate(places) for event in place.events}
    rows = 2 if any(event.generation > 1 for event in journey.events) else 1
    lanes = tuple(_lane(lane, journey, at, unit) for lane in journey.lanes)
    late = any(place.at_now for place in places)
    now = unit * (before_now + (0.55 if late else 0))
    return JourneyShape(
        lanes,
        _ticks(places, unit, journey.now),
        _cuts(places, unit),
        whole_percent(min(99.0, now)),
        rows,
        "very-long" if len(places) > _VERY_LONG else "long" if len(places) > _LONG else "",
    )


def _places(journey: Journey) -> tuple[list[_Place], int]:
    happened = [e for e in journey.events if e.state in ("done", "failed")]
    late = tuple(e for e in journey.events if e.state == "late")
    past = _group(happened)
    present = [_Place(journey.now, late, at_now=True)] if late else []
    future = _group([e for e in journey.events if e.state in _FUTURE])
    return [*past, *present, *future], len(past)


def _group(events: list[JourneyEvent]) -> list[_Place]:
    places: list[_Place] = []
    for event in sorted(events, key=lambda e: e.at):
        free = places and _fits(event, places[-1])
        if free:
            places[-1] = _Place(places[-1].moment, (*places[-1].events, event))
        else:
            places.append(_Place(event.at, (event,)))
    return places


def _fits(event: JourneyEvent, place: _Place) -> bool:
    taken = {(other.lane, _row(other)) for other in place.events}
    return event.at - place.moment <= _TOGETHER and (event.lane, _row(event)) not in taken


def _row(event: JourneyEvent) -> int:
    return min(2, event.generation)


def _lane(lane: JourneyLane, journey: Journey, at: dict[int, int], unit: float) -> LaneShape:
    events = sorted((e for e in journey.events if e.lane == lane.key), key=lambda e: at[id(e)])
    taken = {(_row(event), at[id(event)]) for event in events}
    return LaneShape(lane, tuple(_box(event, at[id(event)], taken, unit) for event in events))


def _box(event: JourneyEvent, place: int, taken: set[tuple[int, int]], unit: float) -> Box:
    """A box as wide as its place; longer words spread over following places that are free."""
    row = _row(event)
    following = min((p for r, p in taken if r == row and p > place), default=place + 3)
    letters = max(len(event.title) * 1.1, len(event.detail))
    start, limit = whole_percent(unit * place), whole_percent(unit * following)
    wide = max(unit * 0.94, letters * _LETTER + 1.4)
    return Box(event, row, start, max(1, min(round(wide), limit - start - 1, 100 - start)))


def _ticks(places: list[_Place], unit: float, now: dt.datetime) -> tuple[tuple[int, str], ...]:
    ticks, previous = [], None
    for i, place in enumerate(places):
        if place.at_now:
            continue
        moment = place.moment.astimezone(now.tzinfo)
        words = _tick(moment, previous, now)
        ticks.append((whole_percent(unit * i), words))
        previous = moment
    return tuple(ticks)


def _tick(moment: dt.datetime, previous: dt.datetime | None, now: dt.datetime) -> str:
    day, clock = f"{moment.day} {moment:%b}", f"{moment:%H:%M}"
    if previous and previous.date() == moment.date():
        return clock
    near = abs((moment.date() - now.date()).days) <= 1
    return f"{day} {clock}" if near else f"{day} {moment.year}" if moment.year != now.year else day


def _cuts(places: list[_Place], unit: float) -> tuple[int, ...]:
    pairs = pairwise(places)
    return tuple(
        max(0, whole_percent(unit * (i + 1)) - 1)
        for i, (one, other) in enumerate(pairs)
        if other.moment - one.moment >= _QUIET
    )
