"""Journeys: one row a business key, what happened in each lane and what must come next."""

from django.db import models

from apps.core.records import AmountField, JsonField, Record
from apps.core.scoping import ScopedQuerySet


class Journey(models.Model):
    """The way of one contract from quote to ledger. Its id is the correlation id of all rows."""

    id = models.UUIDField(primary_key=True)
    key = models.CharField(max_length=60, db_index=True)
    legal_entity_id = models.UUIDField(null=True)
    customer = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount = AmountField(default=0)
    start_date = models.DateField(null=True)
    end_date = models.DateField(null=True)
    milestones = JsonField(default=dict)
    next_step = models.CharField(max_length=120, blank=True)
    next_due_at = models.DateTimeField(null=True)
    is_done = models.BooleanField(default=False)
    is_stuck = models.BooleanField(default=False)
    stuck_lane = models.CharField(max_length=20, blank=True)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    rev = models.BigIntegerField(default=1)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["is_done", "next_due_at"], name="journey_next")]

    def __str__(self) -> str:
        return self.key


class JourneyItem(Record):
    """A document or expected document in one lane and generation of a journey."""

    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="items")
    lane = models.CharField(max_length=20)  # cpq | billing | tax | provisioning | erp
    generation = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120)
    title = models.CharField(max_length=120)
    note = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=12)  # done | running | failed | expected
    amount = AmountField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    subject_type = models.CharField(max_length=40, blank=True)
    subject_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["journey", "kind", "key"], name="journey_item_once")
        ]


class ReferenceIndex(models.Model):
    """Any id of any system, lower-cased, and the journey it leads to."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=40)
    value = models.CharField(max_length=160)
    object_type = models.CharField(max_length=40)
    object_id = models.UUIDField()
    journey_id = models.UUIDField(null=True)
    legal_entity_id = models.UUIDField(null=True)
    label = models.CharField(max_length=200, blank=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "reference index"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value", "object_id"], name="reference_index_once"
            )
        ]
        indexes = [
            models.Index(fields=["value"], name="reference_value"),
            # LIKE 'text%' uses an index only with this operator class, whatever the collation.
            models.Index(
                fields=["value"], name="reference_prefix", opclasses=["varchar_pattern_ops"]
            ),
            models.Index(fields=["journey_id"], name="reference_journey"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class JourneyChange(models.Model):
    """That a journey's rows changed since it was last built; many changes make one building."""

    id = models.BigAutoField(primary_key=True)
    journey_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.journey_id)
