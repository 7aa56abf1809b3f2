"""What crosses the border of this app."""

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body at the door: new, duplicate, conflict (same id, other bytes),
    or stale (the connection changed meanwhile)."""

    status: str
    delivery_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A body that was not accepted: the reason's code, plain words, and the HTTP answer."""

    reason: str
    explanation: str
    status_code: int
    message_id: str = ""
