"""What is billed: invoices with tax lines, and the revenue schedules they start."""

from django.db import models

from apps.canonical.models.base import CanonicalRecord
from apps.canonical.models.commercial import Contract
from apps.canonical.models.parties import Customer
from apps.canonical.models.products import Product
from apps.core.records import AmountField, RateField, Record


class Invoice(CanonicalRecord):
    """An invoice as billing issued it. ``gross`` = ``net`` + ``tax``, to the minor unit."""

    number = models.CharField(max_length=60, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, related_name="invoices", null=True
    )
    currency = models.CharField(max_length=3)
    invoice_date = models.DateField()
    due_date = models.DateField(null=True)
    net = AmountField()
    tax = AmountField()
    gross = AmountField()
    generation = models.PositiveSmallIntegerField(default=0)
    posting_date = models.DateField(null=True)

    def __str__(self) -> str:
        return self.number


class InvoiceLine(Record):
    """A line with the service span it covers (half-open) and whether it is a proration."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, related_name="+")
    description = models.CharField(max_length=250, blank=True)
    quantity = RateField()
    unit_price = RateField()
    net = AmountField()
    tax = AmountField()
    tax_code = models.CharField(max_length=40, blank=True)
    service_start = models.DateField(null=True)
    service_end = models.DateField(null=True)
    is_proration = models.BooleanField(default=False)
    external_key = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_once")
        ]


class TaxLine(Record):
    """The tax of an invoice by tax code: taxable base and tax, both in invoice currency."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="tax_lines")
    tax_code = models.CharField(max_length=40)
    jurisdiction = models.CharField(max_length=80, blank=True)
    rate = RateField()
    taxable = AmountField()
    tax = AmountField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "tax_code"], name="tax_line_once")
        ]


class RevenueSchedule(CanonicalRecord):
    """How an invoice's net revenue is recognised over its service span."""

    number = models.CharField(max_length=80, unique=True)
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="schedule")
    currency = models.CharField(max_length=3)
    total = AmountField()
    method = models.CharField(max_length=40, default="straight_line_daily")


class RevenueScheduleLine(Record):
    """The part of a schedule that one posting period recognises."""

    schedule = models.ForeignKey(RevenueSchedule, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    period_code = models.CharField(max_length=12)
    start_date = models.DateField()
    end_date = models.DateField()
    amount = AmountField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "position"], name="schedule_line_once")
        ]
