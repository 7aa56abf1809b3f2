"""What crosses the border of this app."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

LANES = ("cpq", "billing", "tax", "provisioning", "erp")

# done, running, failed: it happened; expected, soon, late: it must still come.
ItemState = Literal["done", "running", "failed", "expected", "soon", "late"]


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice of a generation and whether the ledger has it. Amounts in major units, gross."""

    number: str
    seen_at: dt.datetime
    in_ledger: bool
    amount: Decimal


@dataclass(frozen=True, slots=True)
class GenerationFacts:
    """How far the original order (generation 0) or one amendment (1 and up) has come.

    ``accepted_at`` starts the deadlines; ``bills_from`` is when billing may issue the first
    invoice; ``expects_invoice`` is False when nothing is charged.
    """

    generation: int
    label: str
    currency: str
    accepted_at: dt.datetime
    bills_from: dt.datetime
    subscribed: bool = False
    provisioned: bool = False
    settled: bool = False  # booked, or the amendment applied
    modified: bool = False  # the contract modification stands in the ledger
    expects_invoice: bool = True
    expected_net: Decimal | None = None
    invoices: tuple[InvoiceFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """A document that must still come, by when, and what follows if it does not."""

    kind: str
    key: str
    lane: str
    generation: int
    title: str
    due_at: dt.datetime
    consequence: str
    amount: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A reference that was found, and the journey it leads to."""

    kind: str
    value: str
    label: str
    object_type: str
    object_id: uuid.UUID
    journey_id: uuid.UUID | None
    journey_key: str
    customer: str
    exact: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """A document, or one that must come, in a lane. ``generation`` 0 is the original order.

    ``at`` is when it happened, for what must come when it is due.
    """

    lane: str
    generation: int
    kind: str
    key: str
    title: str
    note: str
    state: ItemState
    at: dt.datetime
    amount: Decimal | None = None
    currency: str = ""
    subject_type: str = ""
    subject_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class LaneView:
    """A platform's lane. ``last_known`` is set while the platform cannot be read."""

    key: str
    name: str
    system: str
    last_known: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class ExpectedView:
    """What must come next, earliest first."""

    title: str
    lane: str
    due_at: dt.datetime
    is_late: bool
    consequence: str
    amount: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class AmountCell:
    """A generation's amount in one step; ``state`` present, expected (not there yet) or missing
    (overdue)."""

    amount: Decimal | None
    state: Literal["present", "expected", "missing"]


@dataclass(frozen=True, slots=True)
class AmountRow:
    """One step's documents and amounts, a cell for each generation in order."""

    step: str
    documents: tuple[str, ...]
    cells: tuple[AmountCell, ...]
    differs: bool = False


@dataclass(frozen=True, slots=True)
class VersionView:
    """A mapping version that made something of this journey; ``lacks`` when it had no row for
    what it was asked, ``note`` in words."""

    code: str
    name: str
    number: int
    is_active: bool
    lacks: bool
    note: str


@dataclass(frozen=True, slots=True)
class LinkView:
    """What hangs on the journey: a case, a break or a run. ``reference`` is its human number."""

    kind: Literal["case", "break", "run"]
    reference: str
    title: str
    is_open: bool
    subject_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a journey in a sentence; ``due_at`` is the deadline it speaks of."""

    kind: Literal["late", "stuck", "differs", "waiting", "done"]
    text: str
    due_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class JourneyView:
    """Everything the page of a journey shows. Amounts are net of tax unless a row says tax."""

    id: uuid.UUID
    key: str
    customer: str
    entity: str
    currency: str
    start_date: dt.date | None
    last_day: dt.date | None
    verdict: Verdict
    figures: tuple[tuple[str, Decimal | None], ...]
    generations: tuple[str, ...]
    lanes: tuple[LaneView, ...]
    items: tuple[ItemView, ...]
    expected: tuple[ExpectedView, ...]
    amounts: tuple[AmountRow, ...]
    proration: tuple[str, ...]
    versions: tuple[VersionView, ...]
    links: tuple[LinkView, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class BandFigures:
    """Documents on their way from one platform to the next; amounts in the reporting currency.

    ``stuck`` are those with an open case; ``reasons`` are the most frequent titles of these.
    ``through`` came in within the last 24 hours and have passed; they are not in ``count``.
    """

    source: str
    target: str
    count: int
    amount: Decimal
    stuck: int
    stuck_amount: Decimal
    reasons: tuple[str, ...] = ()
    through: int = 0
    through_amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """The flow picture. ``unconverted`` documents have no amount or no rate."""

    bands: tuple[BandFigures, ...]
    currency: str
    rate_date: dt.date | None
    count: int
    stuck: int
    amount: Decimal
    stuck_amount: Decimal
    unconverted: int


@dataclass(frozen=True, slots=True)
class SinceLastVisit:
    """before + opened - closed_by_people - cleared_themselves - snoozed = now.

    ``now`` is what the queue lists as open; what is snoozed is hidden there.
    ``opened_at`` and ``cleared_at`` are the latest of these moments.
    """

    since: dt.datetime
    before: int
    opened: int
    closed_by_people: int
    cleared_themselves: int
    snoozed: int
    now: int
    amount_now: Decimal
    currency: str
    opened_at: dt.datetime | None = None
    cleared_at: dt.datetime | None = None
