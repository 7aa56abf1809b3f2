"""The vendor's own append-only record of every committed change, for a checker to read."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from apps.simulators.core.clock import Clock
from apps.simulators.core.codec import Document, dumps, loads
from apps.simulators.core.store import Change, Store

KIND = "_ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed change. Amounts are decimal strings in major units of `currency`."""

    action: str
    object: str
    id: str
    external_ref: str | None = None
    idempotency_key: str | None = None
    entity: str | None = None
    currency: str | None = None
    net: str | None = None
    tax: str | None = None
    gross: str | None = None
    detail: Document = field(default_factory=dict)


class Ledger:
    """Lines live in the store's commit, so they exist exactly when the change does;

    the file is written right after, and completed at start if a kill fell in between.
    """

    def __init__(self, store: Store, path: Path, clock: Clock) -> None:
        self._store, self._path, self._clock = store, path, clock
        self._complete_file()
        store.on_commit(self._write_committed)

    def record(self, entry: Entry) -> None:
        sequence = self._store.count(KIND) + 1
        line = {"seq": sequence, "at": self._clock.now().isoformat(), **asdict(entry)}
        self._store.put(KIND, str(sequence), line)

    def lines(self, after: int = 0) -> list[Document]:
        """Entries with a sequence number above `after`, oldest first."""
        return list(self._store.all(KIND))[after:]

    def truncate(self) -> None:
        self._path.write_bytes(b"")

    def _write_committed(self, changes: list[Change]) -> None:
        lines = [change.after for change in changes if change.kind == KIND and change.after]
        if lines:
            self._append(lines)

    def _append(self, lines: list[Document]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self._path, flags, 0o600)
        try:
            os.write(file, b"".join(dumps(line) + b"\n" for line in lines))
        finally:
            os.close(file)

    def _complete_file(self) -> None:
        written = 0
        if self._path.exists():
            whole = [
                row
                for row in self._path.read_bytes().splitlines(keepends=True)
                if row.endswith(b"\n")
            ]
            self._path.write_bytes(b"".join(whole))
            written = int(loads(whole[-1])["seq"]) if whole else 0
        missing = self.lines(written)
        if missing:
            self._append(missing)
