"""What one version of a mapping changes against another, in words. Pure."""

from collections.abc import Mapping as MappingOf
from typing import Any

Rows = MappingOf[tuple[str, str], str]


def row_changes(before: Rows, after: Rows) -> list[str]:
    """In words: what was added, changed and removed, in order of the source value."""
    words = []
    for key in sorted({*before, *after}):
        old, new, name = before.get(key), after.get(key), _named(*key)
        if old is None:
            words.append(f"{name} becomes {new} (new)")
        elif new is None:
            words.append(f"{name} is no longer mapped (was {old})")
        elif old != new:
            words.append(f"{name} becomes {new} (was {old})")
    return words


def _named(source: str, scope: str) -> str:
    return f"{source} in {scope}" if scope else source


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
