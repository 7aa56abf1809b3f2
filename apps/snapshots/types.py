"""What crosses the border of this app."""

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal

SIDES = ("cpq", "billing", "erp")

# What is read from each side. A connector may offer more; reading it would cost calls for nothing.
READ = {"cpq": ("contract",), "billing": ("invoice",), "erp": ("invoice",)}


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a page did: documents given, and how many of them were new or changed."""

    given: int
    changed: int


@dataclass(frozen=True, slots=True)
class SideReading:
    """One connection that keeps documents of a type, and when it was last read to the end.

    ``read_at`` None: it was never read to the end, so what is absent may only be unread.
    """

    side: str
    connection_id: uuid.UUID
    connection: str
    legal_entity_id: uuid.UUID | None
    read_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as its platform shows it, in major units."""

    item: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document of one side with its lines, for reading beside the other sides'."""

    side: str
    system: str
    document_type: str
    external_id: str
    number: str
    entity: str
    currency: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    status: str
    document_date: dt.date | None
    customer: str
    read_at: dt.datetime
    lines: tuple[LineView, ...]
