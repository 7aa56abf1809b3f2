"""The flow picture of Today: what went through, what is in flight and what is stuck."""

import datetime as dt
from collections.abc import Sequence
from textwrap import shorten
from urllib.parse import urlencode

from django.urls import reverse

from apps.connectors.models import Connection
from apps.console.presentation.amounts import short_amount
from apps.console.presentation.flow import Flow, FlowBand, FlowNode
from apps.console.sections.connectors import condition_of
from apps.monitoring.types import BandFigures, FlowFigures

NODES = (
    ("cpq", "CPQ", 0), ("billing", "Billing", 1), ("tax", "Tax", 2),
    ("provisioning", "Provisioning", 2), ("erp", "ERP", 3),
)  # fmt: skip
NAMES = {key: name for key, name, _ in NODES}
_LAST = max(column for _, _, column in NODES)
_NOTES = 3  # connections named at the last node; one at the others, the worst
_LANES_OF_BAND = {
    ("cpq", "billing"): ("cpq", "billing"), ("billing", "tax"): ("tax",),
    ("tax", "erp"): ("erp",), ("billing", "provisioning"): ("provisioning",),
    ("provisioning", "erp"): ("provisioning",),
}  # fmt: skip
_QUIET = ("healthy", "idle")


def flow_picture(
    figures: FlowFigures, connections: Sequence[Connection], entity_id: str, now: dt.datetime
) -> Flow:
    """All systems and ways, also those where nothing moves; the state of a connection stands at
    the node it explains. ``entity_id`` narrows the lists that bands lead to."""
    notes = _notes(connections, now)
    nodes = tuple(
        FlowNode(key, name, column, tuple(notes.get(key, [])[: _NOTES if column == _LAST else 1]))
        for key, name, column in NODES
    )
    bands = tuple(_band(band, figures.currency, entity_id) for band in figures.bands)
    return Flow(nodes, bands, figures.currency)


def _notes(
    connections: Sequence[Connection], now: dt.datetime
) -> dict[str, list[tuple[str, bool]]]:
    """(``NetSuite down``, is a warning) by role, what needs a look first."""
    notes: dict[str, list[tuple[str, bool]]] = {}
    for connection in connections:
        condition = condition_of(connection, now)
        word = "ok" if condition == "healthy" else condition
        warns = condition not in _QUIET
        notes.setdefault(connection.role, []).append((f"{connection.name} {word}", warns))
    return {role: sorted(own, key=lambda note: not note[1]) for role, own in notes.items()}


def _band(band: BandFigures, currency: str, entity_id: str) -> FlowBand:
    return FlowBand(
        source=band.source,
        target=band.target,
        count=band.count + band.through,
        figure=_figure(band, currency),
        stuck=band.stuck,
        stuck_amount=band.stuck_amount,
        reason=shorten(", ".join(band.reasons[:2]), 52, placeholder="…"),
        url=_url(band, entity_id),
    )


def _figure(band: BandFigures, currency: str) -> str:
    """``486 through, 3 moving · ≈ $3.61M``; the amount is of the whole band."""
    moving = band.count - band.stuck
    counts = [
        f"{band.through:,} through" if band.through else "",
        f"{moving:,} moving" * bool(moving),
    ]
    words = ", ".join(text for text in counts if text)
    if not words:
        return "" if band.stuck else "0"
    return f"{words} · {short_amount(band.amount + band.through_amount, currency)}"


def _url(band: BandFigures, entity_id: str) -> str:
    parts = [("view", "open")]
    parts += [("lane", lane) for lane in _LANES_OF_BAND[band.source, band.target]]
    parts += [("entity", entity_id)] if entity_id else []
    return f"{reverse('exceptions')}?{urlencode(parts)}"


def flow_note(figures: FlowFigures) -> str:
    """Where most of the held money sits, and how to read the picture."""
    explained = (
        "Band height is the count, with what went through in 24 hours; "
        "the solid end is the stuck share."
    )
    if not figures.stuck:
        return explained
    worst = max(figures.bands, key=lambda band: band.stuck_amount)
    held = short_amount(worst.stuck_amount, figures.currency)
    whole = short_amount(figures.stuck_amount, figures.currency)
    between = f"Between {NAMES[worst.source]} and {NAMES[worst.target]}"
    return f"{between} sits {held} of {whole}. {explained}"
