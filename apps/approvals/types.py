"""What crosses the border of this app."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What another person shall decide.

    ``content`` is what is approved: its hash is kept, so that a later change makes the decision
    void. ``snapshot`` is what the checker reads. ``kind`` is one of ``policies.DECIDES``.
    """

    kind: str
    title: str
    subject_type: str
    subject_id: uuid.UUID
    content: Any
    reason: str = ""
    legal_entity_id: uuid.UUID | None = None
    amount: Decimal | None = None
    currency: str = ""
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    needed_by: dt.datetime | None = None
