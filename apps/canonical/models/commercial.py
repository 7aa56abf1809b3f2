"""What is sold: quotes, orders, contracts, subscriptions, amendments.

Amounts are in major units of the document's currency; ``net`` excludes tax.
"""

from django.db import models

from apps.canonical.models.base import CanonicalRecord
from apps.canonical.models.parties import Customer
from apps.canonical.models.products import Product
from apps.core.records import AmountField, RateField, Record


class Quote(CanonicalRecord):
    """A quote with its approval outcome. Type ``amendment`` changes an existing contract."""

    number = models.CharField(max_length=40, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="quotes")
    type = models.CharField(max_length=20, default="new")
    currency = models.CharField(max_length=3)
    net = AmountField()
    start_date = models.DateField()
    end_date = models.DateField()
    term_months = models.PositiveSmallIntegerField()
    approval_outcome = models.CharField(max_length=20, blank=True)
    approved_by = models.CharField(max_length=120, blank=True)
    approved_at = models.DateTimeField(null=True)
    approval_reason = models.TextField(blank=True)
    accepted_at = models.DateTimeField(null=True)
    department = models.CharField(max_length=40, blank=True)
    contract_reference = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return self.number


class LineRecord(Record):
    """A priced line: quantity, unit price net of discount, net total."""

    position = models.PositiveIntegerField()
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    parent_position = models.PositiveIntegerField(null=True)
    description = models.CharField(max_length=250, blank=True)
    charge_type = models.CharField(max_length=20)
    frequency = models.CharField(max_length=20, blank=True)
    quantity = RateField()
    prior_quantity = RateField(default=0)
    list_price = RateField(default=0)
    unit_price = RateField()
    net = AmountField()
    external_key = models.CharField(max_length=60, blank=True)

    class Meta:
        abstract = True


class QuoteLine(LineRecord):
    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="lines")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["quote", "position"], name="quote_line_once")
        ]


class Contract(CanonicalRecord):
    """The agreement that an order makes and amendments change; the ordering key of its work."""

    number = models.CharField(max_length=40, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="contracts")
    currency = models.CharField(max_length=3)
    start_date = models.DateField()
    end_date = models.DateField()
    net = AmountField()
    generation = models.PositiveSmallIntegerField(default=0)


class Order(CanonicalRecord):
    """An accepted quote that the hub books. ``booked_at`` is set once every gate has passed."""

    number = models.CharField(max_length=40, unique=True)
    quote = models.OneToOneField(Quote, on_delete=models.PROTECT, related_name="order")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="orders")
    currency = models.CharField(max_length=3)
    net = AmountField()
    start_date = models.DateField()
    end_date = models.DateField()
    department = models.CharField(max_length=40, blank=True)
    booked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.number


class OrderLine(LineRecord):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_line_once")
        ]


class Subscription(CanonicalRecord):
    """A recurring line of a contract as billing runs it: one row per contract line."""

    number = models.CharField(max_length=60, unique=True)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="subscriptions")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    line_key = models.CharField(max_length=60)
    frequency = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    quantity = RateField()
    unit_price = RateField()
    start_date = models.DateField()
    end_date = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contract", "line_key"], name="subscription_line_once")
        ]


class Amendment(CanonicalRecord):
    """A change of a contract: which quote asks for it, from when, and what it is worth."""

    number = models.CharField(max_length=60, unique=True)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="amendments")
    quote = models.OneToOneField(Quote, on_delete=models.PROTECT, related_name="amendment")
    generation = models.PositiveSmallIntegerField()
    effective_date = models.DateField()
    currency = models.CharField(max_length=3)
    net_per_term = AmountField()
    prorated_net = AmountField()
    proration = models.JSONField(default=dict)
    applied_at = models.DateTimeField(null=True)
