"""SuiteQL on an in-memory SQLite copy of the records, kept up to date at each commit."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Change, Reader, Store
from apps.simulators.netsuite.errors import NetSuiteError
from apps.simulators.netsuite.shapes import RECORD_TYPES
from apps.simulators.netsuite.tables import COLUMNS, DISPLAYED, rows_of

_DISPLAY = re.compile(r"BUILTIN\.DF\(\s*([\w.]+)\s*\)", re.IGNORECASE)
_FETCH = re.compile(r"\bFETCH\s+(?:FIRST|NEXT)\s+(\d+)\s+ROWS?\s+ONLY\s*$", re.IGNORECASE)
_TABLE = re.compile(r"\btransaction\b", re.IGNORECASE)
_LITERAL = re.compile(r"('(?:[^']|'')*')")
_NO_COLUMN = re.compile(r"no such column: (?:\w+\.)?(\w+)")
_NO_TABLE = re.compile(r"no such table: (\w+)")
# Oracle format elements to strptime/strftime; longer ones first.
_FORMATS = (
    ('"T"', "T"),
    ('"Z"', "Z"),
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("MI", "%M"),
    ("SS", "%S"),
    (".FF3", ".%f"),
    (".FF", ".%f"),
)


class SuiteQl:
    """Runs SELECT statements; only SELECT, never a write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._present = _Database(store)
        store.on_commit(self._present.follow)
        store.on_clear(self._present.rebuild)

    def run(self, text: str, limit: int, offset: int, lag: float) -> tuple[list[Document], int]:
        """(rows of the page, total number of rows). Raises INVALID_PARAMETER."""
        database = self._present if not lag else _Database(self._store.as_of(lag))
        return database.select(translated(text), limit, offset)


class _Database:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sqlite = sqlite3.connect(
            ":memory:", detect_types=sqlite3.PARSE_DECLTYPES, check_same_thread=False
        )
        self._create()
        self._fill()

    def follow(self, changes: list[Change]) -> None:
        """Apply a commit of the store."""
        for change in changes:
            if change.kind in RECORD_TYPES:
                self._forget(change)
                if change.after is not None:
                    self._insert(change.kind, change.after)

    def rebuild(self) -> None:
        for table in COLUMNS:
            self._sqlite.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own name
        self._fill()

    def select(self, text: str, limit: int, offset: int) -> tuple[list[Document], int]:
        try:
            self._sqlite.execute("PRAGMA query_only = ON")
            count = f"SELECT COUNT(*) FROM ({text})"  # noqa: S608 - SuiteQL is SQL, read-only
            total = self._sqlite.execute(count).fetchone()[0]
            cursor = self._sqlite.execute(f"{text} LIMIT {limit} OFFSET {offset}")
            names = [column[0].lower() for column in cursor.description]
            return [_shown(names, row) for row in cursor], total
        except (sqlite3.Error, sqlite3.Warning) as mistake:
            raise _invalid(_explained(str(mistake), text)) from None
        finally:
            self._sqlite.execute("PRAGMA query_only = OFF")

    def _create(self) -> None:
        for table, columns in COLUMNS.items():
            shown = [f'"{name}" {kind}' for name, kind in columns.items()]
            shown += [f'"{name}__df" text' for name in DISPLAYED.get(table, {})]
            if table == "transaction":
                shown.append('"status__df" text')
            shown.append('"_source" text')
            self._sqlite.execute(f'CREATE TABLE "{table}" ({", ".join(shown)})')
            self._sqlite.execute(f'CREATE INDEX "{table}_source" ON "{table}" ("_source")')
        self._sqlite.execute('CREATE INDEX t_ext ON "transaction" (externalid)')
        self._sqlite.execute('CREATE INDEX t_id ON "transaction" (id)')
        self._sqlite.execute('CREATE INDEX tl_tran ON transactionline ("transaction")')
        for name in ("to_date", "to_timestamp"):
            self._sqlite.create_function(name, 2, _to_date, deterministic=True)
        self._sqlite.create_function("to_char", 2, _to_char, deterministic=True)
        self._sqlite.create_function("nvl", 2, lambda a, b: b if a is None else a)

    def _fill(self) -> None:
        for kind in RECORD_TYPES:
            for document in self._reader.all(kind):
                self._insert(kind, document)

    def _insert(self, kind: str, document: Document) -> None:
        source = f"{kind}/{document['id']}"
        for table, row in rows_of(self._reader, kind, document):
            names = [*row, "_source"]
            marks = ", ".join("?" for _ in names)
            columns = ", ".join(f'"{name}"' for name in names)
            values = [_stored(value) for value in row.values()]
            insert = f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608 - own names
            self._sqlite.execute(insert, [*values, source])

    def _forget(self, change: Change) -> None:
        if change.before is None:
            return
        source = f"{change.kind}/{change.key}"
        for table in COLUMNS:
            delete = f'DELETE FROM "{table}" WHERE _source = ?'  # noqa: S608 - our own name
            self._sqlite.execute(delete, (source,))


def translated(text: str) -> str:
    """SuiteQL to SQLite: display values, the table named like a keyword, FETCH FIRST."""
    stripped = text.strip().rstrip(";")
    if not stripped.upper().startswith("SELECT"):
        raise _invalid("Only SELECT statements are supported.")
    parts = _LITERAL.split(stripped)
    for index in range(0, len(parts), 2):  # every other part is a quoted literal
        if re.search(r"\bLIMIT\b", parts[index], re.IGNORECASE):
            raise _invalid("Unexpected token LIMIT. Use the limit and offset parameters.")
        part = _DISPLAY.sub(r"\1__df", parts[index])
        parts[index] = _TABLE.sub('"transaction"', part)
    joined = "".join(parts)
    fetch = _FETCH.search(joined)
    if fetch:
        inner = f"{joined[: fetch.start()]} LIMIT {fetch[1]}"
        return f"SELECT * FROM ({inner})"  # noqa: S608 - SuiteQL is SQL, read-only
    return joined


def _stored(value: Any) -> Any:
    """Numbers as text of exact digits would not add up in SQL; REAL is enough to query."""
    return float(value) if isinstance(value, Decimal) else value


def _shown(names: Iterable[str], row: Iterable[Any]) -> Document:
    """All values are text, columns without a value are left out."""
    shown: Document = {"links": []}
    for name, value in zip(names, row, strict=True):
        if value is not None:
            shown[name] = _number_text(value) if isinstance(value, float) else str(value)
    return shown


def _number_text(value: float) -> str:
    return format(Decimal(repr(value)).normalize(), "f")


def _to_date(text: str | None, pattern: str) -> str | None:
    if text is None:
        return None
    moment = datetime.strptime(text, _python_format(pattern))  # noqa: DTZ007 - account's zone
    plain = moment.strftime("%Y-%m-%d %H:%M:%S")
    return plain.removesuffix(" 00:00:00")


def _to_char(text: str | None, pattern: str) -> str | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).strftime(_python_format(pattern))


def _python_format(pattern: str) -> str:
    for oracle, python in _FORMATS:
        pattern = pattern.replace(oracle, python).replace(oracle.lower(), python)
    return pattern


def _account_format(raw: bytes) -> str:
    """A bare date column reads M/D/YYYY in this account."""
    moment = datetime.fromisoformat(raw.decode())
    return f"{moment.month}/{moment.day}/{moment.year}"


def _explained(mistake: str, text: str) -> str:
    column, table = _NO_COLUMN.search(mistake), _NO_TABLE.search(mistake)
    if column:
        found = re.search(r"\bFROM\s+\"?(\w+)", text, re.IGNORECASE)
        record = found[1].lower() if found else "record"
        return (
            f"Search error occurred: Field '{column[1]}' for record '{record}' was not found. "
            f"Reason: REMOVED - Field is removed"
        )
    if table:
        return f"Search error occurred: Record '{table[1]}' was not found."
    return f"Search error occurred: {mistake}"


def _invalid(detail: str) -> NetSuiteError:
    return NetSuiteError(
        "INVALID_PARAMETER",
        f"Invalid search query. Detailed unprocessed description follows. {detail}.",
        path="q",
    )


sqlite3.register_converter("date", _account_format)
sqlite3.register_converter("number", lambda raw: float(raw))
