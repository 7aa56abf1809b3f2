"""What crosses the border of this app."""

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class RunDraft:
    """A run to start: unique per definition and key, so a repeated event starts nothing."""

    definition: str
    key: str
    subject_type: str
    subject_id: uuid.UUID
    label: str
    ordering_key: str
    legal_entity_id: uuid.UUID | None
    journey_id: uuid.UUID | None
    amount: Decimal | None = None
    currency: str = ""


@dataclass(slots=True)
class HeldRun:
    """A run that a worker holds under ``epoch``; ``held_until`` is the database's text of it.

    ``due_at`` is set when somebody told the run something while it was held.
    """

    id: uuid.UUID
    definition: str
    definition_version: int
    subject_type: str
    subject_id: uuid.UUID
    label: str
    legal_entity_id: uuid.UUID | None
    journey_id: uuid.UUID | None
    amount: Decimal | None
    currency: str
    state: str
    epoch: int
    attempts: int
    fingerprint: str
    held_for: str
    held_until: str
    due_at: dt.datetime | None = None


@dataclass(slots=True)
class HeldStep:
    """A step of a held run, as far as the engine reads and writes it."""

    id: uuid.UUID
    run_id: uuid.UUID
    name: str
    lane: str
    is_material: bool
    state: str
    output: Any
    posting_id: uuid.UUID | None
    attempt: int
    started_at: dt.datetime | None
    waits_for: str
    error_code: str
    error_message: str
    input_hash: str
    command_hash: str
    undo_hash: str
