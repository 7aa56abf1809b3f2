"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.connectors.base import ReadBack, Written
from apps.core.errors import HubError


@dataclass(frozen=True, slots=True)
class PostingDraft:
    """An intended write, in canonical terms; the operation's mapping shapes it for the vendor.

    ``role`` picks the connection: cpq, billing, tax, provisioning or erp, routed by legal entity.
    """

    role: str
    operation: str
    purpose: str
    document_type: str
    document_id: uuid.UUID
    document_version: int
    document_label: str
    ordering_key: str
    payload: Mapping[str, Any]
    legal_entity_id: uuid.UUID
    journey_id: uuid.UUID | None = None
    amount: Decimal | None = None
    currency: str = ""
    is_material: bool = False
    run_id: uuid.UUID | None = None
    step_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call came back with: a document, a reading, or one of the four errors; ``unsent``
    when the call was not made, as the claim had too little time left or the process stops."""

    written: Written | None = None
    reading: ReadBack | None = None
    error: HubError | None = None
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """What waits behind a posting that does not go on."""

    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class LaneBudget:
    """A connection's call budget as people see it.

    ``pace`` is calls per second at most, None without a known limit; ``at_once`` of ``ceiling``
    calls may be out together. ``waiting`` writes can go, ``blocked`` stand behind one that needs a
    person. ``clears_in`` is seconds until what waits is through, None when nobody can say: held by
    a person, or nothing was measured yet. ``refused_writes`` came under a claim that was over.
    """

    pace: float | None
    at_once: int
    ceiling: int
    calls_last_minute: int
    refused_last_minute: int
    retries_last_minute: int
    first_tries_last_minute: int
    waiting: int
    blocked: int
    unknown: int
    held_seconds: float | None
    clears_in: float | None
    refused_writes: int
