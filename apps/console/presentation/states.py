"""How each state of the product looks: icon, tone and word. Colour is never the only sign."""

from dataclasses import dataclass
from typing import Literal

from apps.console.presentation.words import in_words

Tone = Literal["plain", "critical", "high", "medium", "run", "ok"]

SEVERITY_SHAPES = {
    "critical": '<path d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2z"/>'
    '<path class="stroke" d="M8 4.2v4.6M8 11.4v.1"/>',
    "high": '<path d="M8 1.2 15.4 14.4H.6z"/><path class="stroke" d="M8 5.8v4M8 12.2v.1"/>',
    "medium": '<path d="M8 1.4 14.6 8 8 14.6 1.4 8z"/>',
    "low": '<circle cx="8" cy="8" r="4.6"/>',
}


@dataclass(frozen=True, slots=True)
class Look:
    """Appearance of one state."""

    icon: str
    tone: Tone
    label: str


_DONE: tuple[str, Tone] = ("circle-check", "ok")
_FAILED: tuple[str, Tone] = ("circle-x", "critical")
_ATTENTION: tuple[str, Tone] = ("triangle-alert", "high")
_RUNNING: tuple[str, Tone] = ("loader", "run")
_WAITING: tuple[str, Tone] = ("clock", "plain")
_STOPPED: tuple[str, Tone] = ("circle-pause", "medium")
_CLOSED: tuple[str, Tone] = ("circle-slash", "plain")
_QUIET: tuple[str, Tone] = ("circle-dashed", "plain")

_LOOKS: dict[tuple[str, Tone], str] = {
    _DONE: (
        "processed completed succeeded posted confirmed resolved redriven finished explained"
        " corrected active healthy approved signed accepted matched delivered"
    ),
    _FAILED: "failed rejected dead down unreachable stuck void",
    _ATTENTION: (
        "unknown degraded throttled reopened regressed halted stale partly_accepted parked"
        " amounts_differ"
    ),
    _RUNNING: "processing running sending redriving compensating closing testing",
    _WAITING: (
        "received waiting pending queued requested proposed snoozed suggested draft previewed"
        " checked assigned scheduled"
    ),
    _STOPPED: "paused draining suspended locked quarantined",
    _CLOSED: (
        "ignored cancelled dismissed skipped discarded written_off undone retired expired"
        " compensated"
    ),
    _QUIET: "idle not_measured none",
    ("circle-dot", "plain"): "open",
}
_BY_STATE = {value: look for look, values in _LOOKS.items() for value in values.split()}


def state_look(value: str) -> Look:
    """Look of a state by its stored value; a value nobody listed is plain, with its own word."""
    icon, tone = _BY_STATE.get(value, ("circle", "plain"))
    return Look(icon, tone, in_words(value))
