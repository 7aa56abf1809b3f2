"""Everything one simulator is made of, put together for a state folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.simulators.core.clock import Clock
from apps.simulators.core.codec import Document
from apps.simulators.core.faults import FaultBoard
from apps.simulators.core.ledger import Ledger
from apps.simulators.core.store import Store

SETTINGS = "_setting"


@dataclass(slots=True)
class Kit:
    """Store, ledger, clock and faults of one vendor; `latency` is seconds per request."""

    name: str
    store: Store
    ledger: Ledger
    clock: Clock
    faults: FaultBoard
    latency: float = 0.0

    def setting(self, name: str, default: Any = None) -> Any:
        document = self.store.get(SETTINGS, name)
        return default if document is None else document["value"]

    def set(self, name: str, value: Any) -> None:
        """Keep a setting over restarts (limits, registered apps, clock offset)."""
        self.store.put(SETTINGS, name, {"value": value})

    def move_clock(self, offset: timedelta) -> None:
        self.clock.offset = offset
        self.set("clock_offset", offset.total_seconds())

    def state(self) -> Document:
        return {
            "vendor": self.name,
            "now": self.clock.now().isoformat(),
            "counts": self.store.counts(),
            "ledger": len(self.ledger.lines()),
        }

    def reset(self, keep: frozenset[str]) -> None:
        """Forget everything but the kinds in `keep`; the ledger file becomes empty."""
        self.store.clear(keep)
        self.ledger.truncate()
        self.faults.clear()
        self.clock.offset = timedelta(0)


def build_kit(name: str, folder: Path) -> Kit:
    """Open (or create) a vendor's state in `folder`; earlier documents are read back."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    store = Store(folder / f"{name}.state.jsonl")
    ledger = Ledger(store, folder / f"{name}.ledger.jsonl", clock)
    kit = Kit(name, store, ledger, clock, FaultBoard())
    clock.offset = timedelta(seconds=float(kit.setting("clock_offset", 0)))
    kit.latency = float(kit.setting("latency", 0))
    return kit
