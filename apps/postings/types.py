"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.connectors.base import ReadBack, Written
from apps.core.errors import HubError
from apps.postings.models import Posting


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
class Held:
    """A posting under the token of the claim that holds it."""

    posting: Posting
    token: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call came back with: a document, a reading, or one of the four errors."""

    written: Written | None = None
    reading: ReadBack | None = None
    error: HubError | None = None
