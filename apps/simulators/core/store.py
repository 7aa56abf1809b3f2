"""The vendor's database: documents by kind and id, with units of work and a past."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apps.simulators.core.codec import Document
from apps.simulators.core.journal import Journal

REMEMBERED_SECONDS = 300.0  # how far back a lagging read may look


class Reader(Protocol):
    """What a read needs; the present (`Store`) and the past (`PastView`) both give it."""

    def get(self, kind: str, key: str) -> Document | None: ...

    def all(self, kind: str) -> Iterable[Document]: ...

    def find(self, kind: str, field: str, value: Any) -> list[Document]: ...


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    key: str
    before: Document | None
    after: Document | None
    at: float  # monotonic seconds


Listener = Callable[[list[Change]], None]


class Store:
    """Documents are replaced, never changed in place, so that a unit can be undone."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._kinds: dict[str, dict[str, Document]] = {}
        self._indexes: dict[tuple[str, str], dict[Any, dict[str, None]]] = {}
        self._pending: list[Change] = []
        self._depth = 0
        self._history: deque[Change] = deque()
        self._listeners: list[Listener] = []
        self._clear_listeners: list[Callable[[], None]] = []
        self._load()

    # Reading

    def get(self, kind: str, key: str) -> Document | None:
        return self._kinds.get(kind, {}).get(key)

    def all(self, kind: str) -> Iterable[Document]:
        """Documents of a kind in the order in which they were first written."""
        return list(self._kinds.get(kind, {}).values())

    def items(self, kind: str) -> list[tuple[str, Document]]:
        return list(self._kinds.get(kind, {}).items())

    def find(self, kind: str, field: str, value: Any) -> list[Document]:
        """Documents whose top-level `field` equals `value`; fast when it is indexed."""
        documents = self._kinds.get(kind, {})
        index = self._indexes.get((kind, field))
        if index is None:
            return [doc for doc in documents.values() if doc.get(field) == value]
        return [documents[key] for key in index.get(value, ())]

    def count(self, kind: str) -> int:
        return len(self._kinds.get(kind, {}))

    def counts(self) -> dict[str, int]:
        return {kind: len(docs) for kind, docs in sorted(self._kinds.items())}

    def as_of(self, seconds_ago: float) -> PastView:
        """The store as a reader saw it some seconds ago (eventual consistency)."""
        since = time.monotonic() - seconds_ago
        before: dict[tuple[str, str], Document | None] = {}
        for change in reversed(self._history):
            if change.at <= since:
                break
            before[change.kind, change.key] = change.before
        return PastView(self, before)

    # Writing

    def put(self, kind: str, key: str, document: Document) -> Document:
        with self.unit():
            self._apply(kind, key, document)
        return document

    def delete(self, kind: str, key: str) -> None:
        with self.unit():
            self._apply(kind, key, None)

    def next_number(self, counter: str, first: int = 1) -> int:
        """The next value of a named sequence; it survives a restart."""
        current = self.get("_counter", counter)
        value = first if current is None else int(current["value"]) + 1
        self.put("_counter", counter, {"value": value})
        return value

    @contextmanager
    def unit(self) -> Iterator[None]:
        """All writes inside are kept together or, on an exception, undone together.

        Units nest: an inner one that fails undoes only its own writes.
        """
        mark = len(self._pending)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._undo(mark)
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._commit()

    def index(self, kind: str, field: str) -> None:
        """Keep `find(kind, field, …)` fast from now on."""
        self._indexes[kind, field] = {}
        for key, document in self._kinds.get(kind, {}).items():
            self._reindex(kind, key, None, document)

    def on_commit(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def on_clear(self, listener: Callable[[], None]) -> None:
        self._clear_listeners.append(listener)

    def clear(self, keep: frozenset[str] = frozenset()) -> None:
        """Forget every document except the kinds in `keep`; the file is rewritten."""
        self._kinds = {kind: docs for kind, docs in self._kinds.items() if kind in keep}
        self._history.clear()
        for kind, field in list(self._indexes):
            self.index(kind, field)
        self._journal.rewrite(self._entries())
        for listener in self._clear_listeners:
            listener()

    def close(self) -> None:
        self._journal.close()

    # Inside

    def _apply(self, kind: str, key: str, after: Document | None) -> None:
        documents = self._kinds.setdefault(kind, {})
        before = documents.get(key)
        self._pending.append(Change(kind, key, before, after, time.monotonic()))
        self._set(kind, key, before, after)

    def _set(self, kind: str, key: str, before: Document | None, after: Document | None) -> None:
        documents = self._kinds.setdefault(kind, {})
        if after is None:
            documents.pop(key, None)
        else:
            documents[key] = after
        self._reindex(kind, key, before, after)

    def _reindex(
        self, kind: str, key: str, before: Document | None, after: Document | None
    ) -> None:
        for (indexed_kind, field), index in self._indexes.items():
            if indexed_kind != kind:
                continue
            old = before.get(field) if before else None
            new = after.get(field) if after else None
            if before is not None and old in index and (after is None or old != new):
                index[old].pop(key, None)
            if after is not None:
                index.setdefault(new, {})[key] = None

    def _undo(self, mark: int) -> None:
        while len(self._pending) > mark:
            change = self._pending.pop()
            self._set(change.kind, change.key, change.after, change.before)

    def _commit(self) -> None:
        changes, self._pending = self._pending, []
        if not changes:
            return
        self._journal.append((change.kind, change.key, change.after) for change in changes)
        self._remember(changes)
        for listener in self._listeners:
            listener(changes)

    def _remember(self, changes: list[Change]) -> None:
        self._history.extend(changes)
        horizon = time.monotonic() - REMEMBERED_SECONDS
        while self._history and self._history[0].at < horizon:
            self._history.popleft()

    def _load(self) -> None:
        lines = 0
        for kind, key, document in self._journal.replay():
            lines += 1
            self._set(kind, key, None, document)
        if lines > 1000 and lines > 3 * sum(self.counts().values()):
            self._journal.rewrite(self._entries())

    def _entries(self) -> Iterator[tuple[str, str, Document | None]]:
        for kind, documents in self._kinds.items():
            for key, document in documents.items():
                yield kind, key, document


class PastView:
    """Reads that do not yet see recent writes."""

    def __init__(self, store: Store, before: dict[tuple[str, str], Document | None]) -> None:
        self._store = store
        self._before = before

    def get(self, kind: str, key: str) -> Document | None:
        if (kind, key) in self._before:
            return self._before[kind, key]
        return self._store.get(kind, key)

    def all(self, kind: str) -> Iterable[Document]:
        seen = {key for changed, key in self._before if changed == kind}
        past = [self._before[kind, key] for key in seen]
        kept = [doc for key, doc in self._store.items(kind) if key not in seen]
        return kept + [doc for doc in past if doc is not None]

    def find(self, kind: str, field: str, value: Any) -> list[Document]:
        return [doc for doc in self.all(kind) if doc.get(field) == value]
