"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OUTCOMES = ("same", "changed", "now_passes", "newly_fails", "still_fails")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of the output before and after; None where it is not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One recorded input under the active versions and under the draft."""

    subject_type: str
    subject_id: uuid.UUID
    mapping: str
    outcome: str
    changes: Sequence[FieldChange] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A trial worth showing: ``label`` is the document, ``waiting`` that its case is open."""

    outcome: str
    label: str
    mapping: str
    subject_type: str
    subject_id: str
    waiting: bool
    changes: Sequence[Mapping[str, Any]]
    problems: Sequence[str]
