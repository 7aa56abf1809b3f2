"""Data and geometry of the small charts; each carries the sentence that states its finding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ChartTone = Literal["late", "near", "watch", "run", "ok", "quiet", "plain", "faint", "hatched"]

_SMALLEST = 0.8  # percent: a part that exists stays visible
_GAP = 0.25  # percent between the parts of a stack
_BARS_FROM, _BARS_WIDE = 30.0, 55.0  # percent: where ranked bars begin, how long the longest is
_ROW = 25  # pixels of a ranked bar
BURN_WIDTH, BURN_HEIGHT = 350, 92
_BURN_FLOOR, _BURN_TOP, _BURN_ROOM = 70, 12, 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a whole: ``text`` is the figure as written, ``value`` its size (0 or more)."""

    label: str
    value: float
    text: str
    tone: ChartTone = "plain"
    url: str = ""


@dataclass(frozen=True, slots=True)
class RankedBar:
    """A row of a ranking: ``first`` is the open part, ``second`` the rest."""

    label: str
    first: float
    text: str
    second: float = 0
    note: str = ""
    tone: ChartTone = "near"


@dataclass(frozen=True, slots=True)
class Cell:
    """A group of a batch in order; ``failed`` and ``skipped`` are shares in percent."""

    label: str
    state: Literal["done", "run", "wait"]
    failed: int = 0
    skipped: int = 0
    url: str = ""


@dataclass(frozen=True, slots=True)
class Burn:
    """Open work against a deadline.

    ``points`` and ``projected`` (the end of the line) are (position 0 to 1, value); ``deadline``
    is a position; ``finding`` is the sentence read aloud.
    """

    points: tuple[tuple[float, float], ...]
    projected: tuple[float, float]
    deadline: float
    start_label: str
    now_label: str
    finding: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a spark, in pixels from the top left; ``recent`` is drawn in the accent."""

    x: str
    y: str
    width: str
    height: str
    recent: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stack with its place as an SVG length."""

    part: Part
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class BarShape:
    """A ranked bar with its places as SVG lengths."""

    bar: RankedBar
    top: int
    base: int
    first: str
    second_x: str
    second: str
    text_x: str


@dataclass(frozen=True, slots=True)
class BurnShape:
    """Paths and places of a burn-down, in drawing units."""

    area: str
    line: str
    projection: str
    end_x: str
    end_y: str
    label_x: str
    label_y: str
    deadline_x: str


def shares(values: Sequence[float]) -> list[float]:
    """Percent of the sum, small parts kept visible; zero stays zero and the rest sums to 100."""
    total = sum(values)
    if total <= 0:
        return [0.0 for _ in values]
    raw = [max(_SMALLEST, 100 * value / total) if value > 0 else 0.0 for value in values]
    return [value * 100 / sum(raw) for value in raw]


def lay_out_spark(
    values: Sequence[float], recent: int, width: int, height: int
) -> tuple[Column, ...]:
    """Columns from 1 px up to ``height``, the highest value filling it."""
    top = max([*values, 1])
    step = width / max(1, len(values))
    tall = [max(1.0, value / top * height) for value in values]
    return tuple(
        Column(
            f"{i * step:.1f}",
            f"{height - t:.1f}",
            f"{step - 1:.1f}",
            f"{t:.1f}",
            i >= len(values) - recent,
        )
        for i, t in enumerate(tall)
    )


def lay_out_stack(parts: Sequence[Part]) -> tuple[Segment, ...]:
    """Parts beside each other over the whole width; parts of size 0 are left out."""
    segments, at = [], 0.0
    for part, share in zip(parts, shares([p.value for p in parts]), strict=True):
        if share:
            segments.append(Segment(part, f"{at:.2f}%", f"{max(0.3, share - _GAP):.2f}%"))
        at += share
    return tuple(segments)


def lay_out_bars(rows: Sequence[RankedBar]) -> tuple[BarShape, ...]:
    """Rows below each other, the longest bar filling the room between names and figures."""
    top = max([row.first + row.second for row in rows], default=0) or 1
    shapes = []
    for i, row in enumerate(rows):
        first, second = _BARS_WIDE * row.first / top, _BARS_WIDE * row.second / top
        end = _BARS_FROM + first + second + 1
        shapes.append(
            BarShape(
                bar=row,
                top=i * _ROW + 4,
                base=i * _ROW + 14,
                first=f"{first:.2f}%",
                second_x=f"{_BARS_FROM + first:.2f}%",
                second=f"{second:.2f}%",
                text_x=f"{end:.2f}%",
            )
        )
    return tuple(shapes)


def lay_out_burn(chart: Burn) -> BurnShape:
    """The line of what happened, its area, and the dashed line of what is projected."""
    top = max([value for _, value in chart.points] + [1])

    def spot(point: tuple[float, float]) -> tuple[float, float]:
        x = point[0] * (BURN_WIDTH - _BURN_ROOM)
        return x, _BURN_FLOOR - point[1] / top * (_BURN_FLOOR - _BURN_TOP)

    spots = [spot(point) for point in chart.points]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    (x, y), (end_x, end_y) = spots[-1], spot(chart.projected)
    return BurnShape(
        area=f"{line}V{_BURN_FLOOR}H{spots[0][0]:.1f}Z",
        line=line,
        projection=f"M{x:.1f} {y:.1f}L{end_x:.1f} {end_y:.1f}",
        end_x=f"{x:.1f}",
        end_y=f"{y:.1f}",
        label_x=f"{x + 7:.1f}",
        label_y=f"{y - 4:.1f}",
        deadline_x=f"{spot((chart.deadline, 0))[0]:.1f}",
    )
