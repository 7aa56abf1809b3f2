"""Journal entries: the structured financial events the hub sends to an ERP."""

from django.db import models
from django.db.models import Q

from apps.canonical.models.base import CanonicalRecord
from apps.core.records import AmountField, Record


class JournalEntry(CanonicalRecord):
    """A balanced entry. ``event_kind`` names the financial event, e.g. revenue_recognised."""

    number = models.CharField(max_length=80, unique=True)
    event_kind = models.CharField(max_length=40)
    currency = models.CharField(max_length=3)
    posting_date = models.DateField()
    memo = models.CharField(max_length=250)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    total = AmountField()

    class Meta:
        verbose_name_plural = "journal entries"


class JournalLine(Record):
    """One side of an entry; exactly one of debit and credit is above zero."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    account = models.CharField(max_length=40)
    debit = AmountField(default=0)
    credit = AmountField(default=0)
    department = models.CharField(max_length=40, blank=True)
    revenue_class = models.CharField(max_length=40, blank=True)
    location = models.CharField(max_length=40, blank=True)
    memo = models.CharField(max_length=250, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["entry", "position"], name="journal_line_once"),
            models.CheckConstraint(
                condition=Q(debit__gte=0, credit__gte=0) & (Q(debit=0) ^ Q(credit=0)),
                name="journal_line_one_side",
            ),
        ]
