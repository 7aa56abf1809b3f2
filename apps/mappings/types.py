"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Missing:
    """A value no active mapping version knows, or a field that cannot be read."""

    mapping: str  # code of the value map, "" for a field that cannot be read
    key: str
    path: str
    scope: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """One input to translate by the mapping of this code; ``scope`` is a legal entity's code."""

    mapping: str
    document: Mapping[str, Any]
    scope: str
    subject_type: str
    subject_id: uuid.UUID
    connection_id: uuid.UUID
    legal_entity_id: uuid.UUID | None = None
    journey_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Translated:
    """The output, or what was missing. A Translation row stands in either case."""

    translation_id: uuid.UUID
    output: Mapping[str, Any] | None
    missing: Sequence[Missing] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that a platform refused: translated by the field map ``mapping`` for the legal
    entity ``scope``, and refused in these words."""

    mapping: str
    document: Mapping[str, Any]
    words: str
    scope: str


@dataclass(frozen=True, slots=True)
class ReferenceDraft:
    """That a record of ours is this object of theirs."""

    connection_id: uuid.UUID
    object_type: str
    external_id: str
    record_type: str
    record_id: uuid.UUID
    legal_entity_id: uuid.UUID | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class RowDraft:
    """One row of a value map. ``scope`` is a legal entity's code, empty for all."""

    source: str
    target: str
    scope: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """A mapping as a file describes it: an expression, or rows of a value map."""

    code: str
    name: str
    kind: str  # field | value
    source: str
    target: str
    rules: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[RowDraft] = ()
