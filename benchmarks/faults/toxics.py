"""What a sick link does to the bytes that pass: kinds, their numbers, and who is hit by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

UP, DOWN, BOTH = "up", "down", "both"

# kind → the numbers it takes, with what they are when none is given (seconds, bytes)
KINDS: dict[str, dict[str, float]] = {
    "latency": {"seconds": 2.0, "jitter": 0.0},  # each piece waits
    "refuse": {},  # nobody listens, and what was open is reset
    "bandwidth": {"bytes_per_second": 1024.0},
    "slow_close": {"seconds": 2.0},  # the end of the stream arrives late
    "blackhole": {"seconds": 0.0},  # nothing passes; reset after so long, or once it is over
    "reset": {"bytes": 0.0},  # both ends are reset after so many bytes in this direction
    "slicer": {"bytes": 16.0, "seconds": 0.002},  # small pieces with pauses between them
    "limit": {"bytes": 64.0},  # an orderly end after so many bytes: a body cut off
}


class ToxicError(ValueError):
    """The proxy was asked for a fault that does not exist; the message says what does."""


@dataclass(slots=True)
class Toxic:
    """One fault of one link, in one direction, on a share of the connections."""

    id: int
    kind: str
    direction: str
    probability: float
    numbers: dict[str, float]
    hits: int = 0

    def covers(self, direction: str) -> bool:
        return self.direction in (BOTH, direction)


@dataclass(slots=True)
class Chances:
    """Whom a toxic hits, decided once for each connection from the link's own random source."""

    random: Random
    decided: dict[int, bool] = field(default_factory=dict)

    def is_hit(self, toxic: Toxic) -> bool:
        if toxic.id not in self.decided:
            hit = toxic.probability >= 1 or self.random.random() < toxic.probability
            self.decided[toxic.id] = hit
            toxic.hits += int(hit)
        return self.decided[toxic.id]


class ToxicBoard:
    """The toxics of one link."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.toxics: list[Toxic] = []
        self._ids = count(1)

    def put(self, spec: Mapping[str, Any]) -> Toxic:
        """Add one from the control socket's JSON. Raises ``ToxicError`` with advice."""
        kind, direction = str(spec.get("kind", "")), str(spec.get("direction", DOWN))
        if kind not in KINDS:
            raise ToxicError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        if direction not in (UP, DOWN, BOTH):
            raise ToxicError(f"direction must be up, down or both, not {direction!r}")
        numbers = {name: float(spec.get(name, given)) for name, given in KINDS[kind].items()}
        chance = float(spec.get("probability", 1))
        toxic = Toxic(next(self._ids), kind, direction, chance, numbers)
        self.toxics.append(toxic)
        return toxic

    def clear(self) -> int:
        """End them all; returns how many connections they hit."""
        hits = sum(toxic.hits for toxic in self.toxics)
        self.toxics = []
        return hits

    def acting(self, kind: str, direction: str, chances: Chances) -> Toxic | None:
        """The toxic of a kind that hits this connection in this direction now."""
        for toxic in self.toxics:
            if toxic.kind == kind and toxic.covers(direction) and chances.is_hit(toxic):
                return toxic
        return None

    @property
    def refuses(self) -> bool:
        return any(toxic.kind == "refuse" for toxic in self.toxics)
