"""What differs between two translations of one input. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from apps.mappings.engine import Result
from apps.mappings.types import Missing
from apps.rehearsals.types import FieldChange


def outcome_of(before: Result | None, after: Result) -> str:
    """same, changed, now_passes, newly_fails or still_fails; ``before`` None: nothing active."""
    passed = before is not None and before.output is not None
    if after.output is None:
        return "newly_fails" if passed else "still_fails"
    if not passed or before is None:
        return "now_passes"
    return "same" if before.output == after.output else "changed"


def field_changes(before: Result | None, after: Result) -> list[FieldChange]:
    """The fields on which two outputs differ, by path."""
    old = dict(_leaves(before.output if before else None))
    new = dict(_leaves(after.output))
    return [
        FieldChange(path, old.get(path), new.get(path))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from _leaves(part, f"{path}.{n}")
    elif value is not None:
        yield path, value


def problem_words(missing: Missing) -> str:
    """Why an input does not pass, for a person."""
    scope = f" for {missing.scope}" if missing.scope else ""
    if missing.mapping:
        return f"{missing.key} has no row in {missing.mapping}{scope}"
    return f"{missing.path} cannot be read: {missing.problem}"
