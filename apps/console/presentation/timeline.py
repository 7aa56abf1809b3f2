"""Workflow timeline: a lane a system, a bar a step, attempts as notches, idle stretches cut."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from apps.console.presentation.axis import Axis, cut_axis

StepState = Literal["done", "failed", "running", "waiting", "compensated"]
_THINNEST = 1.2  # percent of the width that the shortest bar keeps


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step of a run; ``end`` is None while it lasts, ``attempts`` are when its tries began."""

    lane: str
    label: str
    start: dt.datetime
    end: dt.datetime | None
    state: StepState
    attempts: tuple[dt.datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes as (key, name) from top to bottom, the steps in them, and the moment of viewing."""

    lanes: tuple[tuple[str, str], ...]
    steps: tuple[TimelineStep, ...]
    now: dt.datetime
    next_try: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A step's bar, all in percent; ``room`` is what is free after it for its name."""

    step: TimelineStep
    lane: int
    at: float
    width: float
    notches: tuple[float, ...]
    room: float


@dataclass(frozen=True, slots=True)
class TimelineShape:
    """Everything to draw."""

    axis: Axis
    bars: tuple[Bar, ...]
    now: float


def lay_out_timeline(timeline: Timeline) -> TimelineShape:
    """Places of all bars on one cut axis that ends at now, or at a later next try."""
    ends = [timeline.now, *([timeline.next_try] if timeline.next_try else [])]
    spans = [(step.start, max(step.start, step.end or timeline.now)) for step in timeline.steps]
    spans.append((timeline.now - dt.timedelta(seconds=1), max(ends)))
    axis = cut_axis(spans)
    lanes = {key: place for place, (key, _) in enumerate(timeline.lanes)}
    bars = sorted(
        (
            _bar(step, lanes[step.lane], axis, timeline.now)
            for step in timeline.steps
            if step.lane in lanes
        ),
        key=lambda bar: (bar.lane, bar.at),
    )
    return TimelineShape(axis, _separated(bars), axis.place(timeline.now))


def _bar(step: TimelineStep, lane: int, axis: Axis, now: dt.datetime) -> Bar:
    at = axis.place(step.start)
    width = max(_THINNEST, axis.place(step.end or now) - at)
    at = min(at, 100 - width)
    notches = tuple(axis.place(attempt) for attempt in step.attempts[1:])
    return Bar(step, lane, at, width, notches, 0.0)


def _separated(bars: list[Bar]) -> tuple[Bar, ...]:
    """Bars of a lane never overlap; each learns how much room is left before the next one."""
    placed: list[Bar] = []
    for bar in bars:
        previous = placed[-1] if placed and placed[-1].lane == bar.lane else None
        at = max(bar.at, previous.at + previous.width + 0.3) if previous else bar.at
        placed.append(
            Bar(bar.step, bar.lane, min(at, 100 - _THINNEST), bar.width, bar.notches, 0.0)
        )
    return tuple(
        Bar(b.step, b.lane, b.at, min(b.width, 100 - b.at), b.notches, _room(b, placed[i + 1 :]))
        for i, b in enumerate(placed)
    )


def _room(bar: Bar, later: list[Bar]) -> float:
    following = next((other.at for other in later if other.lane == bar.lane), 100.0)
    return max(0.0, following - bar.at - bar.width)


def summary(timeline: Timeline) -> str:
    """The finding in a sentence, for readers who do not see the picture."""
    names = dict(timeline.lanes)
    failed = [s for s in timeline.steps if s.state == "failed"]
    done = sum(s.state == "done" for s in timeline.steps)
    start = f"{done} of {len(timeline.steps)} steps done"
    if failed:
        step = failed[-1]
        tries = f" after {len(step.attempts)} tries" if len(step.attempts) > 1 else ""
        return f"{start}; {step.label} failed in {names.get(step.lane, step.lane)}{tries}."
    open_steps = [s for s in timeline.steps if s.state in ("running", "waiting")]
    if open_steps:
        step = open_steps[-1]
        return f"{start}; {step.label} is {step.state} in {names.get(step.lane, step.lane)}."
    return f"{start}."
