"""What crosses the border of this app."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal

SUBJECTS = ("contract", "invoice")

# Sides of a subject, upstream first. No CPQ knows invoices (ADR-0014).
SUBJECT_SIDES: dict[str, tuple[str, ...]] = {
    "contract": ("cpq", "billing", "erp"),
    "invoice": ("billing", "erp"),
}

WRITE_OFF = "break_write_off"  # the kind of the request that a second person decides

BREAK_TYPES = {
    "missing_in_erp": "Missing in ERP",
    "missing_in_billing": "Missing in billing",
    "missing_in_cpq": "Missing in CPQ",
    "amount_differs": "Amount differs",
    "tax_differs": "Tax differs",
    "duplicate": "Duplicate",
    "entity_differs": "Entity differs",
    "timing": "Timing",
}


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that may explain a break."""

    id: uuid.UUID
    reference: str
    title: str


@dataclass(frozen=True, slots=True)
class BreakFacts:
    """What the hub knows about the documents of a break, for deciding what explains it.

    ``newest`` is when the newest of its documents was first seen; ``accounted`` is the difference
    that the contract's own history demands, in major units, with its reasons; ``passes`` False:
    it stays, as something was billed that nobody sold.
    """

    type: str
    variance: Decimal
    currency: str
    newest: dt.datetime
    case: OpenCase | None = None
    posting_id: uuid.UUID | None = None
    posting_state: str = ""
    posting_label: str = ""
    run_label: str = ""
    step: str = ""
    accounted: Decimal | None = None
    reasons: tuple[str, ...] = ()
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a break is there. ``explained`` False: nothing the hub knows accounts for it."""

    explained: bool
    type: str
    text: str
    case_id: uuid.UUID | None = None
    posting_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class SideTotal:
    """What one side keeps in one legal entity and currency, in major units."""

    side: str
    amount: Decimal
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one break type in the differences between neighbouring sides.

    ``gaps`` are in the order of the sides: with CPQ, billing and ERP first CPQ - billing, then
    billing - ERP. The parts of a total add up to its gaps.
    """

    type: str
    label: str
    state: str
    count: int
    gaps: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """One legal entity and currency: sides, their differences and what these are made of."""

    entity: str
    currency: str
    sides: tuple[SideTotal, ...]
    gaps: tuple[Decimal, ...]
    matched: int
    parts: tuple[Part, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A tab of the workspace. ``amounts`` are absolute variances by currency, never summed."""

    key: str
    label: str
    count: int
    amounts: tuple[tuple[str, Decimal], ...] = ()
