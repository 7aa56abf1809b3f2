"""What every connector is: pure parsing of what comes in, and calls with typed outcomes.

A connector speaks the wire format only. It never sees a canonical record: payloads arrive already
translated by the mappings, and documents leave as the vendor's own objects. Errors are raised as
the four kinds of ``apps.core.errors`` with codes of the taxonomy (docs/error-taxonomy.md).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from apps.connectors.http import Session
from apps.connectors.limits import ReadLimits
from apps.core.errors import ErrorFacts


class AfterUnknown(Enum):
    """What a connector can do when the outcome of a write is unknown."""

    NATIVE_KEY = "native_key"  # resend with the same key and bytes inside ``ttl``, else look up
    UNIQUE_REFERENCE = "unique_reference"  # resend; "already exists" is success, then fetch
    LOOKUP = "lookup"  # absent twice, ``visibility_lag`` apart, before it is sent again
    NONE = "none"  # a person decides


# What a read-back can show of a document, to be compared with what was meant.
SHOWN = frozenset(
    {"currency", "net", "tax", "gross", "entity", "document_date", "period", "dimensions"}
)


@dataclass(frozen=True, slots=True)
class Capability:
    """How one operation behaves. A mutating operation without a capability is refused.

    ``shows`` names what its read-back shows, of ``SHOWN``: a named field that is missing on the
    document is a difference; one that is not named cannot be compared, and says so here.
    """

    after_unknown: AfterUnknown
    ttl: dt.timedelta = dt.timedelta(0)
    visibility_lag: dt.timedelta = dt.timedelta(0)
    shows: frozenset[str] = field(kw_only=True)


def capability_fault(capability: Capability) -> str:
    """What is wrong with a declaration, in words; empty when nothing is."""
    unknown = sorted(capability.shows - SHOWN)
    if unknown:
        return f"shows {', '.join(unknown)}, which nothing compares"
    if capability.after_unknown is AfterUnknown.NATIVE_KEY and not capability.ttl:
        return "has a native key without its ttl: say how long the platform keeps it"
    return ""


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """One write: vendor-shaped payload, our reference (≤ 16 characters), the vendor's key."""

    operation: str
    reference: str
    idempotency_key: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What the vendor says it wrote. ``data`` holds further ids (subscription items …)."""

    external_id: str
    number: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A document as the vendor shows it, to compare with what was meant; in major units."""

    external_id: str
    number: str = ""
    currency: str = ""
    net: Decimal | None = None
    tax: Decimal | None = None
    gross: Decimal | None = None
    document_date: dt.date | None = None
    period: str = ""  # the month in which the posting period begins, 2026-11
    entity: str = ""
    dimensions: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One object of theirs inside a delivery. ``needs_fetch``: only the id came, read the rest.

    ``follows`` is the version that the source counted before this one; the hub then applies them
    one after the other. 0 when a message stands alone. ``message_id`` is what the source's webhook
    of the same message bears; empty when it cannot be told. ``fault`` says why a message that
    stands among readable ones cannot be read.
    """

    event_type: str
    object_type: str
    object_id: str
    source_version: int
    payload: Mapping[str, Any] | None
    needs_fetch: bool = False
    follows: int = 0
    message_id: str = ""
    fault: ErrorFacts | None = None


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """A verified webhook: its unique message id and the answer the vendor wants."""

    message_id: str
    reply_status: int = 200
    reply_body: bytes = b""
    reply_content_type: str = "application/json"


class BadDelivery(Exception):
    """A body refused at the door: ``reason`` of docs/webhooks.md, ``status`` of the answer."""

    def __init__(self, reason: str, explanation: str, status: int, message_id: str = "") -> None:
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation
        self.status = status
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a poll or a snapshot and where the next one starts; ``more`` says read on now."""

    objects: Sequence[InboundMessage]
    cursor: Mapping[str, Any]
    more: bool


@dataclass(frozen=True, slots=True)
class SnapshotLine:
    item: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    net: Decimal
    tax: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SnapshotDocument:
    """One document of a platform for reconciliation. Amounts in major units of ``currency``."""

    document_type: str  # contract | invoice | journal
    external_id: str
    number: str
    match_key: str
    entity: str  # the legal entity's code
    currency: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    status: str
    document_date: dt.date | None
    customer_name: str = ""
    source_version: int = 0
    period: str = ""
    lines: tuple[SnapshotLine, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    documents: Sequence[SnapshotDocument]
    cursor: Mapping[str, Any]
    more: bool


class Connector(Protocol):
    """One vendor. ``session`` carries base address, credentials, deadline and the recorder.

    ``sends_webhooks``: what its polls find fresh is what no webhook brought. ``fetched_types``:
    object types that ``fetch`` reads by id.
    """

    vendor: str
    sends_webhooks: bool
    capabilities: Mapping[str, Capability]
    snapshot_types: tuple[str, ...]
    fetched_types: tuple[str, ...]

    @property
    def limits(self) -> ReadLimits:
        """Reads what an answer says of the account's limits, in the vendor's own headers."""
        ...

    def verify(
        self,
        door: "DoorConfig",
        headers: Mapping[str, str],
        body: bytes,
        now: dt.datetime,
    ) -> VerifiedBody:
        """Check signature, time and form of a webhook. Raises ``BadDelivery``.

        A token in the address arrives as the header ``x-q2c-door-token``.
        """
        ...

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        """The messages of a verified body. Raises ``RejectedError`` naming what cannot be read."""
        ...

    async def write(self, session: Session, call: OutboundCall) -> Written: ...

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        """Find by our reference what a lost answer may have written; None when it is absent."""
        ...

    async def read_back(
        self, session: Session, call: OutboundCall, written: Written
    ) -> ReadBack: ...

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        """Read many objects in as few calls as the vendor allows."""
        ...

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page: ...

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage: ...


@runtime_checkable
class ChecksCustomers(Protocol):
    """A connector whose settings alone tell whether a customer can be taxed: no call is made."""

    def check_customer(
        self, config: Mapping[str, Any], seller_country: str, customer: Mapping[str, Any]
    ) -> None:
        """Raises ``RejectedError`` naming the customer's field at fault."""
        ...


@dataclass(frozen=True, slots=True)
class DoorConfig:
    """What a connector needs to verify a webhook: the connection's config and its open secrets."""

    config: Mapping[str, Any]
    secrets: Mapping[str, Any]
