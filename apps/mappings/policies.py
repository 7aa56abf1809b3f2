"""What a version of a mapping changes against another; which row a refusal is about. Pure."""

import re
import uuid
from collections.abc import Collection
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any

from apps.core.principal import Principal
from apps.users.policies import ADMIN

Rows = MappingOf[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row of a value map before and after; empty where it is not mapped."""

    source: str
    scope: str
    old: str
    new: str

    @property
    def words(self) -> str:
        name = f"{self.source} in {self.scope}" if self.scope else self.source
        if not self.new:
            return f"{name} is no longer mapped (was {self.old})"
        was = f"was {self.old}" if self.old else "new"
        return f"{name} becomes {self.new} ({was})"


def changed_rows(before: Rows, after: Rows) -> list[RowChange]:
    """What was added, changed and removed, in order of the source value."""
    return [
        RowChange(*key, before.get(key, ""), after.get(key, ""))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


@dataclass(frozen=True, slots=True)
class RowAtFault:
    """The row of a value map that made the value which a platform refused."""

    mapping: str
    source: str
    scope: str
    target: str


def row_at_fault(
    tables: MappingOf[str, Rows], said: Collection[str], words: str, scope: str
) -> RowAtFault | None:
    """The row whose target a platform's words name and whose source the document holds.

    ``tables`` are the value maps that translated it, ``said`` the texts of the document, ``scope``
    its legal entity. None when no row or more than one fits: nothing is guessed.
    """
    found = [
        RowAtFault(code, source, place, target)
        for code, rows in tables.items()
        for (source, place), target in rows.items()
        if source in said and _is_named(target, words)
        # a row for the entity hides the one for all
        if place == scope or (place == "" and (source, scope) not in rows)
    ]
    return found[0] if len(found) == 1 else None


def _is_named(target: str, words: str) -> bool:
    """Whether a text holds a value as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(target)}(?![\w-])", words) is not None


def rule_changes(before: Any, after: Any, at: str = "") -> list[str]:
    """In words: which output fields of a field map are added, removed or translated otherwise."""
    if before == after:
        return []
    old, new = _fields(before), _fields(after)
    if old is None or new is None:
        return [f"{at or 'the whole map'} is translated otherwise"]
    words = []
    for name in sorted({*old, *new}):
        place = f"{at}.{name}".strip(".")
        if name not in old:
            words.append(f"{place} is added")
        elif name not in new:
            words.append(f"{place} is removed")
        else:
            words += rule_changes(old[name], new[name], place)
    return words


def _fields(rule: Any) -> MappingOf[str, Any] | None:
    """The fields an expression makes: of an object, or of the objects of an ``each``."""
    if not isinstance(rule, MappingOf):
        return None
    if "object" in rule:
        fields: MappingOf[str, Any] = rule["object"]
        return fields
    if "each" in rule:
        return _fields(rule["each"]["do"])
    return None


def may_discard(principal: Principal, author_id: uuid.UUID | None) -> bool:
    """Whether a draft is a person's to throw away: their own work, or an admin's call."""
    return principal.has_role(ADMIN) or principal.actor.id == str(author_id)
