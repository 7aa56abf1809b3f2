"""What crosses the border of this app."""

import uuid
from dataclasses import dataclass
from decimal import Decimal


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
