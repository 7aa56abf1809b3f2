"""Business exceptions: one case for each failure that needs a person; the record, no remedy."""

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from apps.core.records import AmountField, JsonField, NextNumber, Record
from apps.organisation.models import EntityRecord


class Severity(models.TextChoices):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


OPEN_STATES = ("open", "assigned", "snoozed", "reopened")
# What the queues hold and every count of open work means: a snoozed case is hidden from both.
AWAKE = ("open", "assigned", "reopened")


class ExceptionFamily(Record):
    """Cases with one cause, found by fingerprint: mend the cause once, close them all."""

    number = models.BigIntegerField(unique=True, db_default=NextNumber("family_number"))
    fingerprint = models.CharField(max_length=64, unique=True)
    code = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    state = FSMField(default="open", protected=True)
    legal_entity_id = models.UUIDField(null=True)

    class Meta:
        verbose_name_plural = "exception families"

    @transition("state", source=["open", "regressed"], target="resolved")
    def resolve(self) -> None: ...

    @transition("state", source="resolved", target="regressed")
    def regress(self) -> None: ...


class ExceptionCase(EntityRecord):
    """One failure that needs a person: plain words, amount at risk, flow, owner, clock."""

    number = models.BigIntegerField(unique=True, db_default=NextNumber("exception_number"))
    family = models.ForeignKey(ExceptionFamily, on_delete=models.PROTECT, related_name="cases")
    code = models.CharField(max_length=60)
    category = models.CharField(max_length=30)
    severity = models.CharField(max_length=10, choices=Severity)
    state = FSMField(default="open", protected=True)
    title = models.CharField(max_length=200)
    explanation = models.TextField()
    detail = models.TextField(blank=True)
    flow = models.CharField(max_length=40)
    lane = models.CharField(max_length=20)
    amount_at_risk = AmountField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    journey_id = models.UUIDField(null=True)
    document = models.CharField(max_length=80, blank=True)
    customer = models.CharField(max_length=200, blank=True)
    facts = JsonField(default=dict)
    blocks_close = models.BooleanField(default=False)
    owner_id = models.UUIDField(null=True)
    owner_label = models.CharField(max_length=120, blank=True)
    seen = models.IntegerField(default=1)
    sla_due_at = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by_label = models.CharField(max_length=120, blank=True)
    resolution = models.CharField(max_length=40, blank=True)
    resolution_note = models.TextField(blank=True)
    rev = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject_type", "subject_id"],
                condition=Q(state__in=OPEN_STATES),
                name="one_open_case_per_subject",
            ),
        ]
        indexes = [
            models.Index(
                fields=["sla_due_at", "id"],
                condition=Q(state__in=OPEN_STATES),
                name="case_open_by_sla",
            ),
            models.Index(fields=["journey_id"], name="case_journey"),
            models.Index(fields=["family", "state"], name="case_family"),
        ]

    @property
    def reference(self) -> str:
        return f"EXC-{self.number}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @transition("state", source=["open", "reopened", "snoozed", "assigned"], target="assigned")
    def assign(self) -> None: ...

    @transition("state", source=["open", "assigned", "reopened"], target="snoozed")
    def snooze(self) -> None: ...

    @transition("state", source=["snoozed", "assigned"], target="open")
    def release(self) -> None: ...

    @transition("state", source=list(OPEN_STATES), target="resolved")
    def resolve(self) -> None: ...

    @transition("state", source=list(OPEN_STATES), target="dismissed")
    def dismiss(self) -> None: ...

    @transition("state", source=["resolved", "dismissed"], target="reopened")
    def reopen(self) -> None: ...


class DeadLetter(EntityRecord):
    """A message that cannot go on by itself; the payload stays where it is, untouched."""

    number = models.BigIntegerField(unique=True, db_default=NextNumber("dead_letter_number"))
    state = FSMField(default="parked", protected=True)
    origin_type = models.CharField(max_length=60)
    origin_id = models.UUIDField()
    connection_code = models.CharField(max_length=60)
    message_type = models.CharField(max_length=80)
    error_code = models.CharField(max_length=60)
    error_message = models.TextField()
    attempts = models.IntegerField(default=0)
    ordering_key = models.CharField(max_length=200, blank=True)
    amount = AmountField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    journey_id = models.UUIDField(null=True)
    case = models.ForeignKey(
        ExceptionCase, on_delete=models.PROTECT, null=True, related_name="dead_letters"
    )
    parked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by_label = models.CharField(max_length=120, blank=True)
    settled_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["origin_type", "origin_id"],
                condition=Q(state__in=["parked", "redriving"]),
                name="one_open_dead_letter",
            )
        ]

    @property
    def code(self) -> str:
        return f"DL-{self.number}"

    @transition("state", source="parked", target="redriving")
    def redrive(self) -> None: ...

    @transition("state", source=["redriving", "parked"], target="redriven")
    def finish_redrive(self) -> None: ...

    @transition("state", source="redriving", target="parked")
    def park_again(self) -> None: ...

    @transition("state", source="parked", target="discarded")
    def discard(self) -> None: ...
