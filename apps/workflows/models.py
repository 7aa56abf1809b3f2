"""Runs of declared workflows and their steps."""

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from apps.core.records import AmountField, JsonField, Record
from apps.organisation.models import EntityRecord


class WorkflowRun(EntityRecord):
    """One run of one version of a definition, unique per definition and business key.

    ``fingerprint`` is of the definition's graph and code when the run last went on. ``held_for``
    says why it is held: ``version`` (the release had no such version) or ``code`` with a digest of
    the code that would have taken another path; empty for a run that may go on.
    """

    definition = models.CharField(max_length=60)
    definition_version = models.PositiveIntegerField()
    key = models.CharField(max_length=120)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    label = models.CharField(max_length=120)
    ordering_key = models.CharField(max_length=120)
    journey_id = models.UUIDField(null=True)
    state = FSMField(default="pending", protected=True)
    amount = AmountField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    held_for = models.CharField(max_length=20, blank=True)
    # When the engine should look again; NULL: when told; while claimed, the end of the claim.
    due_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)  # by the database's clock
    attempts = models.PositiveIntegerField(default=0)  # dispatches that came to no end yet
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    state_hash = models.CharField(max_length=64, blank=True)
    epoch = models.BigIntegerField(default=0)  # raised by every claim

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["definition", "key"], name="run_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="run_due"),
            models.Index(fields=["journey_id"], name="run_journey"),
            models.Index(fields=["held_for"], condition=~Q(held_for=""), name="run_held"),
        ]

    @transition("state", source=["pending", "waiting", "failed", "paused"], target="running")
    def run(self) -> None: ...

    @transition("state", source=["running", "pending"], target="waiting")
    def wait(self) -> None: ...

    @transition("state", source=["running", "waiting"], target="completed")
    def complete(self) -> None: ...

    @transition("state", source=["running", "waiting", "pending"], target="failed")
    def fail(self) -> None: ...

    @transition("state", source=["running", "waiting", "pending"], target="paused")
    def pause(self) -> None: ...

    @transition(
        "state",
        source=["pending", "running", "waiting", "failed", "paused"],
        target="cancelled",
    )
    def cancel(self) -> None: ...

    @transition(
        "state",
        source=["running", "failed", "waiting", "paused", "completed"],
        target="compensating",
    )
    def compensate(self) -> None: ...

    @transition("state", source="compensating", target="compensated")
    def finish_compensation(self) -> None: ...


class Step(Record):
    """One step of a run.

    ``input_hash`` names the facts that the step read (``RunFacts``), ``command_hash`` covers what
    it decided from them, ``undo_hash`` what its undo decided.
    """

    # step_once serves the look-up by run.
    run = models.ForeignKey(
        WorkflowRun, on_delete=models.CASCADE, related_name="steps", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60)
    legal_entity_id = models.UUIDField(null=True)
    lane = models.CharField(max_length=20)
    kind = models.CharField(max_length=20)  # compensatable | pivot | retriable
    is_material = models.BooleanField(default=False)
    state = FSMField(default="pending", protected=True)
    waits_for = models.CharField(max_length=160, blank=True)
    deadline = models.DateTimeField(null=True)
    input_hash = models.CharField(max_length=64, blank=True)
    command_hash = models.CharField(max_length=64, blank=True)
    undo_hash = models.CharField(max_length=64, blank=True)
    output = JsonField(default=dict)
    posting_id = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="step_once")]
        # None of them depends on the state, so that a step's usual change touches no index.
        indexes = [
            models.Index(fields=["waits_for"], condition=~Q(waits_for=""), name="step_waits_for"),
            models.Index(
                fields=["deadline"], condition=Q(deadline__isnull=False), name="step_deadline"
            ),
            models.Index(
                fields=["posting_id"], condition=Q(posting_id__isnull=False), name="step_posting"
            ),
        ]

    @transition("state", source=["pending", "failed", "waiting"], target="running")
    def run_now(self) -> None: ...

    @transition("state", source=["pending", "running", "failed"], target="waiting")
    def wait(self) -> None: ...

    @transition("state", source=["pending", "running", "waiting", "failed"], target="succeeded")
    def succeed(self) -> None: ...

    @transition("state", source=["pending", "running", "waiting"], target="failed")
    def fail(self) -> None: ...

    @transition("state", source=["pending", "waiting", "failed"], target="skipped")
    def skip(self) -> None: ...

    @transition("state", source="succeeded", target="compensating")
    def undo(self) -> None: ...

    @transition("state", source=["succeeded", "compensating"], target="compensated")
    def compensate(self) -> None: ...

    @transition("state", source=["failed", "waiting", "succeeded", "skipped"], target="pending")
    def reset(self) -> None: ...


class RunFacts(models.Model):
    """Facts that steps of a run read, once for each content: zlib over the canonical text, whose
    SHA-256 is ``hash``. With the outputs of the steps it is the run's history."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        WorkflowRun, on_delete=models.CASCADE, related_name="read_facts", db_index=False
    )
    hash = models.CharField(max_length=64)
    packed = models.BinaryField()
    read_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "run facts"
        constraints = [models.UniqueConstraint(fields=["run", "hash"], name="facts_once")]


class Signal(models.Model):
    """That something a step may wait for has happened, whether or not a step waits yet."""

    key = models.CharField(max_length=160, primary_key=True)
    data = JsonField(default=dict)
    at = models.DateTimeField()
