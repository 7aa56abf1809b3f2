"""Flow picture of Today: systems are nodes, documents on their way are bands.

A band is as high as its count, on one scale with a least height; its solid end is the share that
is stuck.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps.console.presentation.percent import whole_percent

WIDTH, HEIGHT = 1000, 208  # drawing units; the width is stretched, the height is pixels
_NODE = 5  # width of a node
_LAST = 0.84  # the last column stands here, its words are to the right of it
_TOP = 42  # room for the names above
_LABEL = 40  # room for two lines of words under a band
_THINNEST = 18  # a band of one document still holds its figure
_TALLEST = 64
_EMPTY = 3  # a way on which nothing is
_PER_DOCUMENT = 12  # a hub with five documents is not drawn as a flood
_STRAIGHT = 4  # a band that climbs more than this has its figure below


@dataclass(frozen=True, slots=True)
class FlowNode:
    """A system: ``column`` from 0 on the left; ``notes`` are (short state, is a warning)."""

    key: str
    name: str
    column: int
    notes: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class FlowBand:
    """Documents between two nodes, how many of them are stuck, and what is written on it."""

    source: str
    target: str
    count: int
    figure: str
    stuck: int = 0
    stuck_amount: Decimal = Decimal(0)
    reason: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole picture. ``as_of`` is set when the figures are old: bands go hatched."""

    nodes: tuple[FlowNode, ...]
    bands: tuple[FlowBand, ...]
    currency: str
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class NodeShape:
    """A node's bar in drawing units; ``at`` and ``down`` place its name in whole percent."""

    node: FlowNode
    x: float
    y: float
    height: float
    at: int
    down: int
    last: bool


@dataclass(frozen=True, slots=True)
class BandShape:
    """A band's outline and its stuck end.

    ``at`` and ``down`` place its figures, ``end`` (from the right) and ``under`` its stuck words.
    """

    band: FlowBand
    source: str
    target: str
    outline: str
    stuck_x: float
    stuck_y: float
    stuck_width: float
    height: float
    at: int
    down: int
    end: int
    under: int


@dataclass(frozen=True, slots=True)
class FlowShape:
    """Everything to draw."""

    nodes: tuple[NodeShape, ...]
    bands: tuple[BandShape, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    band: FlowBand
    height: float
    left_y: float
    right_y: float


def lay_out_flow(flow: Flow) -> FlowShape:
    """Heights by count on one scale, bands of a gap stacked with room for their words."""
    columns = {node.key: node.column for node in flow.nodes}
    last = max(columns.values(), default=0)
    xs = {c: WIDTH * _LAST * c / last if last else 0.0 for c in range(last + 1)}
    scale = _scale(flow)
    placed: list[_Placed] = []
    for gap in range(last):
        placed += _stack(_bands_of(flow, columns, gap), placed, scale)
    nodes = tuple(_node(node, placed, xs[node.column], last) for node in flow.nodes)
    by_key = {node.key: node for node in flow.nodes}
    bands = tuple(_band(p, by_key[p.band.source], by_key[p.band.target], xs) for p in placed)
    return FlowShape(nodes, bands)


def _bands_of(flow: Flow, columns: dict[str, int], gap: int) -> list[FlowBand]:
    return [band for band in flow.bands if columns[band.source] == gap]


def _scale(flow: Flow) -> float:
    """Units a document, so that every gap fits with the words under its bands."""
    columns = {node.key: node.column for node in flow.nodes}
    largest = max((band.count for band in flow.bands), default=0)
    scales = [_PER_DOCUMENT, _TALLEST / max(1, largest)]
    for gap in set(columns.values()):
        bands = _bands_of(flow, columns, gap)
        room = HEIGHT - _TOP - _LABEL * len(bands) - 4
        scales.append(_fitting((band.count for band in bands), room))
    return min(scales)


def _fitting(counts: Iterable[int], room: float) -> float:
    """The largest scale at which bands of at least the least height fill no more than the room."""
    rest = sorted(count for count in counts if count)
    while rest:
        scale = room / sum(rest)
        if rest[0] * scale >= _THINNEST:
            return scale
        rest.pop(0)
        room -= _THINNEST
    return _PER_DOCUMENT


def _stack(bands: list[FlowBand], before: list[_Placed], scale: float) -> list[_Placed]:
    """Bands below each other with room for words; they leave a node no higher than they reached
    it, so that words never lie on a band."""
    heights = [max(_THINNEST, b.count * scale) if b.count else float(_EMPTY) for b in bands]
    used = sum(heights) + _LABEL * len(bands)
    right = _TOP + max(0.0, (HEIGHT - _TOP - used) / 2 if len(bands) == 1 else 0.0)
    departures: dict[str, float] = {}
    placed = []
    for band, height in zip(bands, heights, strict=True):
        arrivals = [p.right_y for p in before if p.band.target == band.source]
        left = departures.get(band.source, min([right, *arrivals]))
        departures[band.source] = left + height + _LABEL
        placed.append(_Placed(band, height, left, right))
        right += height + _LABEL
    return placed


def _node(node: FlowNode, placed: list[_Placed], x: float, last: int) -> NodeShape:
    spans = [(p.left_y, p.left_y + p.height) for p in placed if p.band.source == node.key]
    spans += [(p.right_y, p.right_y + p.height) for p in placed if p.band.target == node.key]
    top = min((span[0] for span in spans), default=float(_TOP))
    bottom = max((span[1] for span in spans), default=_TOP + 40.0)
    is_last = node.column == last
    words = 14 + 14 * min(1, len(node.notes))  # lines above the bar
    y = top if is_last else max(0.0, top - words - 6)
    return NodeShape(
        node,
        x,
        top,
        bottom - top,
        whole_percent(x + (12 if is_last else 0), WIDTH),
        whole_percent(y, HEIGHT),
        is_last,
    )


def _band(placed: _Placed, source: FlowNode, target: FlowNode, xs: dict[int, float]) -> BandShape:
    band, height = placed.band, placed.height
    start, end = xs[source.column] + _NODE, xs[target.column]
    solid = (end - start) * min(1.0, band.stuck / band.count) if band.count else 0.0
    solid = max(solid, 6.0) if band.stuck else 0.0
    middle = start + (end - start) * 0.5
    top1, top2 = placed.left_y, placed.right_y
    outline = (
        f"M{start:.1f} {top1:.1f}"
        f"C{middle:.1f} {top1:.1f} {middle:.1f} {top2:.1f} {end:.1f} {top2:.1f}"
        f"V{top2 + height:.1f}C{middle:.1f} {top2 + height:.1f} {middle:.1f} {top1 + height:.1f}"
        f" {start:.1f} {top1 + height:.1f}Z"
    )
    inside = height >= _THINNEST and abs(top1 - top2) < _STRAIGHT and solid < (end - start) / 2
    figures = top2 + height / 2 - 9 if inside else max(top1, top2) + height + 1
    return BandShape(
        band, source.name, target.name, outline, end - solid, top2, solid, height,
        whole_percent(start + 14, WIDTH), whole_percent(figures, HEIGHT),
        100 - whole_percent(end, WIDTH), whole_percent(top2 + height + 2, HEIGHT),
    )  # fmt: skip
