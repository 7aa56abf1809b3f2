"""Lengths of time as people read them, and the state of a deadline."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from apps.console.presentation.amounts import MINUS

MINUTE, HOUR, DAY = 60, 3600, 86400
NEAR = dt.timedelta(hours=1)  # the last hour before a deadline is shown as near

SlaState = Literal["calm", "near", "late"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline as shown: text, state and the share of its time that is used (0 to 100)."""

    text: str
    state: SlaState
    used: int


def duration(seconds: float) -> str:
    """Two units at most, the sign dropped: ``45s``, ``22m``, ``1h 04m``, ``2d 3h``."""
    whole = abs(int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def age(seconds: float) -> str:
    """One unit: ``8m``, ``25h`` (up to two days), ``3d``; ahead of the clock is ``0m``."""
    whole = max(0, int(seconds))
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < 2 * DAY:
        return f"{whole // HOUR}h"
    return f"{whole // DAY}d"


def deadline(due: dt.datetime, now: dt.datetime, since: dt.datetime | None = None) -> Deadline:
    """State of ``due`` at ``now``; ``since`` is when the time began to run and gives the share."""
    left = (due - now).total_seconds()
    text = duration(left) if abs(left) >= MINUTE else "0m"
    if left < 0:
        return Deadline(f"{MINUS}{text}", "late", 100)
    total = (due - since).total_seconds() if since and since < due else 0
    used = round(100 * (1 - left / total)) if total else 0
    return Deadline(text, "near" if due - now <= NEAR else "calm", min(100, max(0, used)))
