"""Whether all sides agree."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from apps.core.records import AmountField, JsonField, NextNumber
from apps.organisation.models import EntityRecord

OPEN_BREAKS = ("open", "explained")


class ReconciliationRun(EntityRecord):
    """One comparison of the three sides at a moment. No entity: all entities of the group.

    ``epoch`` rises with every claim; a claim ends at ``due_at`` by the database's clock.
    """

    number = models.BigIntegerField(unique=True, db_default=NextNumber("reconciliation_number"))
    subject = models.CharField(max_length=20)  # contract | invoice
    state = FSMField(default="pending", protected=True)
    read_at = models.DateTimeField(null=True)  # oldest snapshot read of the three sides
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    requested_by_label = models.CharField(max_length=120)
    totals = JsonField(default=dict)
    error_message = models.TextField(blank=True)
    epoch = models.BigIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now())

    @transition("state", source="pending", target="running")
    def start(self) -> None: ...

    @transition("state", source="running", target="pending")
    def hand_back(self) -> None: ...

    @transition("state", source="running", target="completed")
    def complete(self) -> None: ...

    @transition("state", source=["pending", "running"], target="failed")
    def fail(self) -> None: ...


class Match(EntityRecord):
    """Documents of the sides under one key that agree exactly, with the rule that said so."""

    run = models.ForeignKey(ReconciliationRun, on_delete=models.CASCADE, related_name="matches")
    subject = models.CharField(max_length=20)
    match_key = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = AmountField()
    rule = models.CharField(max_length=40)
    state = FSMField(default="confirmed", protected=True)
    document_ids = JsonField(default=dict)

    class Meta:
        verbose_name_plural = "matches"
        constraints = [
            models.UniqueConstraint(fields=["run", "match_key", "currency"], name="match_once")
        ]

    INITIAL_STATES = ("suggested", "confirmed")

    @transition("state", source="suggested", target="confirmed")
    def confirm(self) -> None: ...

    @transition("state", source="confirmed", target="undone")
    def undo(self) -> None: ...


class Break(EntityRecord):
    """A difference between the sides under one key: typed, in money, linked to its cause."""

    number = models.BigIntegerField(unique=True, db_default=NextNumber("break_number"))
    first_run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="+")
    last_run = models.ForeignKey(
        ReconciliationRun, on_delete=models.PROTECT, related_name="breaks"
    )
    subject = models.CharField(max_length=20)
    match_key = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    customer = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=30)
    state = FSMField(default="open", protected=True)
    cpq_amount = AmountField(null=True)
    billing_amount = AmountField(null=True)
    erp_amount = AmountField(null=True)
    variance = AmountField()
    explanation = models.TextField(blank=True)
    case_id = models.UUIDField(null=True)
    posting_id = models.UUIDField(null=True)
    journey_id = models.UUIDField(null=True)
    owner_id = models.UUIDField(null=True)
    owner_label = models.CharField(max_length=120, blank=True)
    document_ids = JsonField(default=dict)
    opened_at = models.DateTimeField()
    unexplained_at = models.DateTimeField()  # since when nothing explains it
    closed_at = models.DateTimeField(null=True)
    closed_reason = models.CharField(max_length=200, blank=True)
    closed_by_label = models.CharField(max_length=250, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "match_key", "currency"],
                condition=Q(state__in=OPEN_BREAKS),
                name="one_open_break",
            )
        ]

    @transition("state", source="open", target="explained")
    def explain(self) -> None: ...

    @transition("state", source="explained", target="open")
    def unexplain(self) -> None: ...

    @transition("state", source=["open", "explained"], target="corrected")
    def correct(self) -> None: ...

    @transition("state", source=["open", "explained"], target="written_off")
    def write_off(self) -> None: ...
