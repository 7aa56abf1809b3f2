"""What each platform says now: one typed row a document, read from the platform itself."""

from django.db import models

from apps.core.records import AmountField, RateField, Record
from apps.core.scoping import ScopedQuerySet


class SourceDocument(Record):
    """A document as its platform showed it at ``read_at``. Amounts in major units.

    ``match_key`` is the business key that the other platforms know it by (invoice number,
    contract number); nothing here is taken from what the hub remembers writing.
    """

    connection_id = models.UUIDField()
    side = models.CharField(max_length=12)  # cpq | billing | erp
    document_type = models.CharField(max_length=30)  # contract | invoice | customer | journal
    external_id = models.CharField(max_length=120)
    number = models.CharField(max_length=80, blank=True)
    match_key = models.CharField(max_length=120)
    source_version = models.BigIntegerField(default=0)
    legal_entity_id = models.UUIDField(null=True)
    currency = models.CharField(max_length=3)
    period = models.CharField(max_length=12, blank=True)
    document_date = models.DateField(null=True)
    gross = AmountField(default=0)
    net = AmountField(default=0)
    tax = AmountField(default=0)
    status = models.CharField(max_length=40, blank=True)
    customer_name = models.CharField(max_length=200, blank=True)
    content_hash = models.CharField(max_length=64)
    read_at = models.DateTimeField()
    rev = models.BigIntegerField(default=1)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection_id", "document_type", "external_id"], name="document_once"
            )
        ]
        indexes = [
            models.Index(fields=["document_type", "match_key"], name="document_match"),
            models.Index(fields=["document_type", "side", "read_at"], name="document_read"),
        ]


class SourceDocumentLine(models.Model):
    """A line of a snapshot, with the item as the platform names it."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(SourceDocument, on_delete=models.CASCADE, related_name="lines")
    position = models.IntegerField()
    item = models.CharField(max_length=120, blank=True)
    description = models.CharField(max_length=250, blank=True)
    quantity = RateField(default=0)
    unit_price = RateField(default=0)
    net = AmountField(default=0)
    tax = AmountField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="document_line_once")
        ]
        indexes = [models.Index(fields=["item"], name="document_line_item")]

    def __str__(self) -> str:
        return f"{self.position} {self.item}"
