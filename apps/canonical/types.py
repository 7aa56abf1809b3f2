"""Drafts of canonical records, as the inbound mappings produce them, and what applying one did."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Draft:
    """One object of theirs in canonical terms.

    ``record_type`` is quote, invoice, customer, product, entitlement …; ``content`` has the keys
    of docs/canonical-model.md with exact decimals as strings or Decimal and ISO dates;
    ``keys`` are further ids by which it is known: ``{"contract": "800…"}``.
    """

    record_type: str
    connection_id: uuid.UUID
    source_system: str
    object_type: str
    external_id: str
    source_version: int
    content: Mapping[str, Any]
    translation_id: uuid.UUID | None = None
    event_id: uuid.UUID | None = None  # the inbound event it came from
    journey_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a draft.

    ``outcome``: created, changed, unchanged, older (a newer version is already there), waits
    (``waits_for`` names the missing record, e.g. ``contract:8001…``), refused (``error_*`` say
    why).
    """

    outcome: str
    record_id: uuid.UUID | None = None
    journey_id: uuid.UUID | None = None
    legal_entity_id: uuid.UUID | None = None
    waits_for: str = ""
    error_code: str = ""
    error_message: str = ""
    error_field: str = ""
    case_facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open span of business dates [start, end)."""

    start: dt.date
    end: dt.date

    @property
    def days(self) -> int:
        return (self.end - self.start).days
