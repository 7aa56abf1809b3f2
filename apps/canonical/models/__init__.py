"""Canonical records: the hub's own form of what the platforms agree on."""

from apps.canonical.models.base import CanonicalRecord, RecordVersion
from apps.canonical.models.billing import (
    Invoice,
    InvoiceLine,
    RevenueSchedule,
    RevenueScheduleLine,
    TaxLine,
)
from apps.canonical.models.commercial import (
    Amendment,
    Contract,
    Order,
    OrderLine,
    Quote,
    QuoteLine,
    Subscription,
)
from apps.canonical.models.ledger import JournalEntry, JournalLine
from apps.canonical.models.parties import Customer
from apps.canonical.models.products import Price, Product, ProductComponent
from apps.canonical.models.reference import AccountingDimension, TaxCode

__all__ = [
    "AccountingDimension",
    "Amendment",
    "CanonicalRecord",
    "Contract",
    "Customer",
    "Invoice",
    "InvoiceLine",
    "JournalEntry",
    "JournalLine",
    "Order",
    "OrderLine",
    "Price",
    "Product",
    "ProductComponent",
    "Quote",
    "QuoteLine",
    "RecordVersion",
    "RevenueSchedule",
    "RevenueScheduleLine",
    "Subscription",
    "TaxCode",
    "TaxLine",
]
