"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A business event about to be written; ``type`` is ``<aggregate>.<what happened>``."""

    type: str
    aggregate_type: str
    aggregate_id: uuid.UUID
    aggregate_version: int = 0
    legal_entity_id: uuid.UUID | None = None
    journey_id: uuid.UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
