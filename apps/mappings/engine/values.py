"""What an expression may meet on its way: absence, problems, tables, references, the scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from apps.mappings.types import Missing


class Nothing(Enum):
    """No value: an optional field that is not there. An object leaves its key out."""

    ABSENT = "absent"


ABSENT = Nothing.ABSENT


class Unreadable(Exception):
    """A value cannot be used; the message says why in plain words."""


@dataclass(frozen=True, slots=True)
class ValueTable:
    """The rows of a value map's active version: (source, scope) to target.

    The row of a legal entity comes before the row of all (scope "").
    """

    rows: Mapping[tuple[str, str], str]

    def target_of(self, source: str, scope: str) -> str | None:
        return self.rows.get((source, scope)) or self.rows.get((source, ""))

    def source_of(self, target: str, scope: str) -> str | None:
        """The one source of a target; None when none or several say so."""
        found = {s for (s, row), t in self.rows.items() if t == target and row in ("", scope)}
        return found.pop() if len(found) == 1 else None


# (object type, our record's id) to the external id on the connection at hand.
References = Mapping[tuple[str, str], str]


@dataclass(slots=True)
class Findings:
    """What one evaluation gathered: missing values, and references it asked for."""

    missing: list[Missing] = field(default_factory=list)
    wanted: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Context:
    """Where an expression stands: the whole document, the element of an ``each``, the tables."""

    document: Any
    here: Any
    tables: Mapping[str, ValueTable]
    references: References
    scope: str
    findings: Findings
    at: str = ""

    def inside(self, here: Any, at: str) -> Context:
        """The same evaluation one element deeper; ``at`` is its path for messages."""
        return replace(self, here=here, at=at)

    def place(self, path: str) -> str:
        """A path as a person would name it from the top of the document."""
        if path.startswith("$"):
            return path.removeprefix("$.") or "$"
        return f"{self.at}.{path}".strip(".") if self.at else path

    def report(self, path: str, problem: str) -> Nothing:
        """Note a field that cannot be read and go on with nothing in its place."""
        self.findings.missing.append(Missing(mapping="", key="", path=path, problem=problem))
        return ABSENT

    def report_value(self, mapping: str, key: str, path: str, scope: str) -> Nothing:
        """Note a value that a table does not know."""
        found = Missing(mapping, key, path, scope, f"{key} has no row in {mapping}")
        self.findings.missing.append(found)
        return ABSENT


def find(context: Context, path: str) -> Any:
    """The value at a path, ABSENT when a part of it is not there, null or empty text.

    ``$`` is the whole document, ``$.a.b`` starts there; ``a.0.b`` starts at the element at hand;
    ``@`` is that element itself.
    """
    value = context.here
    parts = path.split(".")
    if parts[0] == "$":
        value, parts = context.document, parts[1:]
    elif parts[0] == "@":
        parts = parts[1:]
    for part in parts:
        value = _step(value, part)
        if value is ABSENT:
            return ABSENT
    return ABSENT if value is None or value == "" else value


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, ABSENT)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return ABSENT
