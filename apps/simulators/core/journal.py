"""The store on disk: one line for each document written, replayed at start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.simulators.core.codec import Document, dumps, loads

Entry = tuple[str, str, Document | None]


class Journal:
    """Append-only JSON lines `{"k": kind, "i": id, "d": document or null}`.

    One write call for one commit, so a killed process leaves whole commits or none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def replay(self) -> Iterator[Entry]:
        """Yield every stored change in order; a half-written last line is cut off."""
        if not self._path.exists():
            return
        good = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                good += len(line)
                record = loads(line)
                yield record["k"], record["i"], record["d"]
        os.truncate(self._path, good)

    def append(self, entries: Iterable[Entry]) -> None:
        os.write(self._open(), _encode(entries))

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Replace the whole file by `entries` (after a reset, or to compact it)."""
        self.close()
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(_encode(entries))
        fresh.replace(self._path)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> int:
        if self._file < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._file = os.open(self._path, flags, 0o600)
        return self._file


def _encode(entries: Iterable[Entry]) -> bytes:
    return b"".join(dumps({"k": kind, "i": key, "d": doc}) + b"\n" for kind, key, doc in entries)
