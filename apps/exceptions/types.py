"""What crosses the border of this app."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# What a case is about: the type and id of the row that cannot go on.
Subject = tuple[str, uuid.UUID]


@dataclass(frozen=True, slots=True)
class CaseDraft:
    """A failure that needs a person. ``code`` is of the taxonomy; ``subject`` is what is stuck.

    ``fingerprint`` groups cases with one cause: code, connection and the value at fault.
    """

    code: str
    title: str
    explanation: str
    flow: str  # order_activation, amendment, invoice_posting, ingestion …
    lane: str  # cpq | billing | tax | provisioning | erp
    subject_type: str  # postings.posting | workflows.step | ingestion.event | canonical.quote …
    subject_id: uuid.UUID
    fingerprint: tuple[str, ...]
    legal_entity_id: uuid.UUID | None = None
    journey_id: uuid.UUID | None = None
    amount_at_risk: Decimal | None = None
    currency: str = ""
    document: str = ""
    customer: str = ""
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    blocks_close: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetterDraft:
    """A message that ran out of attempts: where it stands, what was tried, what it is worth."""

    origin_type: str
    origin_id: uuid.UUID
    connection_code: str
    message_type: str
    error_code: str
    error_message: str
    attempts: int = 0
    ordering_key: str = ""
    legal_entity_id: uuid.UUID | None = None
    amount: Decimal | None = None
    currency: str = ""
    journey_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a list of cases is narrowed to; an empty value does not narrow.

    ``view`` is one of ``VIEWS``; ``text`` is a number, a document, a customer or words of the
    title; ``closed_by`` is ``people`` or ``nobody``.
    """

    view: str = "open"
    severities: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    entity_ids: tuple[uuid.UUID, ...] = ()
    owner_id: uuid.UUID | None = None
    family_id: uuid.UUID | None = None
    closed_since: dt.datetime | None = None
    closed_by: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class StripTotals:
    """The figures above the list. ``amount`` is in ``currency``, the reporting currency, by rates
    no older than ``rate_date``; ``unconverted`` counts cases whose amount has no rate or is not
    known."""

    cases: int
    families: int
    overdue: int
    due_soon: int
    critical: int
    blocks_close: int
    amount: Decimal
    currency: str
    rate_date: dt.date | None
    unconverted: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The case before and after one in a list, and where it stands in it (from 1)."""

    previous: int | None
    next: int | None
    position: int
    total: int


VIEWS = (
    "open", "mine", "unassigned", "at_risk", "critical", "blocks_close", "snoozed", "closed_today",
)  # fmt: skip
