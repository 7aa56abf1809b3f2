"""Work that outlives a request: batches with frozen items, leases, schedule slots, heartbeats."""

from django.db import models
from django_fsm import FSMField, transition

from apps.core.records import JsonField, NextNumber, Record
from apps.core.scoping import ScopedQuerySet


class Batch(Record):
    """One bulk action: the ids are frozen when it is made, and each keeps its outcome."""

    class Kind(models.TextChoices):
        RETRY = "retry", "Retry exceptions"
        REDRIVE = "redrive", "Redrive dead letters"

    number = models.BigIntegerField(unique=True, db_default=NextNumber("batch_number"))
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    state = FSMField(default="draft", protected=True)
    legal_entity_id = models.UUIDField(null=True)
    idempotency_key = models.CharField(max_length=100, unique=True)
    frozen_hash = models.CharField(max_length=64)
    params = JsonField(default=dict)
    requested_by_id = models.UUIDField()
    requested_by_label = models.CharField(max_length=120)
    total = models.IntegerField(default=0)
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    skipped = models.IntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"

    @property
    def code(self) -> str:
        return f"B-{self.number}"

    @transition("state", source="draft", target="previewed")
    def preview(self) -> None: ...

    @transition("state", source=["draft", "previewed", "paused"], target="running")
    def start(self) -> None: ...

    @transition("state", source="running", target="paused")
    def pause(self) -> None: ...

    @transition("state", source="running", target="halted")
    def halt(self) -> None: ...

    @transition("state", source="running", target="finished")
    def finish(self) -> None: ...

    @transition(
        "state", source=["draft", "previewed", "running", "paused", "halted"], target="cancelled"
    )
    def cancel(self) -> None: ...


class BatchItem(models.Model):
    """One frozen target of a batch and what became of it."""

    class Outcome(models.TextChoices):
        PENDING = "pending", "Waiting"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    position = models.IntegerField()
    target_type = models.CharField(max_length=60)
    target_id = models.UUIDField()
    legal_entity_id = models.UUIDField(null=True)
    label = models.CharField(max_length=120, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.PENDING)
    detail = models.TextField(blank=True, default="")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "target_id"], name="batch_item_once"),
        ]
        indexes = [models.Index(fields=["batch", "outcome", "position"], name="batch_item_due")]


class Lease(models.Model):
    """Who works on a key until when, by the database's clock. Each take-over raises the epoch."""

    key = models.CharField(max_length=160, primary_key=True)
    owner = models.CharField(max_length=120)
    epoch = models.BigIntegerField(default=1)
    expires_at = models.DateTimeField()


class ScheduleSlot(models.Model):
    """A schedule's time slot, claimed once however many schedulers run."""

    id = models.BigAutoField(primary_key=True)
    schedule = models.CharField(max_length=80)
    slot = models.DateTimeField()
    claimed_by = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="slot_once")]


class Heartbeat(models.Model):
    """When a worker process last said that it works."""

    worker = models.CharField(max_length=120, primary_key=True)
    role = models.CharField(max_length=40)
    beat_at = models.DateTimeField()


class StaleWrite(models.Model):
    """How often a write under a claim that had been taken over was refused, by place."""

    place = models.CharField(max_length=80, primary_key=True)
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()
