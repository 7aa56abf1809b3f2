"""Configured accounts of platforms, and every exchange with them."""

from django.db import models
from django_fsm import FSMField, transition

from apps.core.ids import uuid7
from apps.core.records import JsonField, Record
from apps.core.scoping import ScopedQuerySet


class Connection(Record):
    """One account of a platform. Its lane owns the whole call budget; limits live on this row.

    ``secrets`` is ciphertext (Fernet under Q2C_FIELD_KEY); ``circuit`` is its own column, not a
    state: closed, open, half_open.
    """

    code = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    vendor = models.CharField(max_length=40)
    role = models.CharField(max_length=20)  # cpq | billing | tax | provisioning | erp
    legal_entity_id = models.UUIDField(null=True)
    base_url = models.CharField(max_length=300, blank=True)
    config = JsonField(default=dict)
    secrets = models.BinaryField(default=b"")
    state = FSMField(default="active", protected=True)
    state_reason = models.CharField(max_length=300, blank=True)
    circuit = models.CharField(max_length=12, default="closed")
    circuit_until = models.DateTimeField(null=True)
    circuit_opened_at = models.DateTimeField(null=True)
    consecutive_failures = models.IntegerField(default=0)
    write_failures = models.IntegerField(default=0)  # those of them that a read does not clear
    concurrency = models.PositiveSmallIntegerField(default=4)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    poll_cursor = JsonField(default=dict)
    poll_every_seconds = models.PositiveIntegerField(default=0)
    next_poll_at = models.DateTimeField(null=True)
    snapshot_cursors = JsonField(default=dict)
    snapshot_due_at = models.DateTimeField(null=True)
    calls_per_second = models.FloatField(null=True)  # set by an administrator; null: none
    budget = JsonField(default=dict)  # what the lane learnt: width, rate (apps.connectors.lanes)
    held_until = models.DateTimeField(null=True)  # by the vendor's Retry-After or a window
    held_reason = models.CharField(max_length=200, blank=True)
    rev = models.BigIntegerField(default=1)

    objects = ScopedQuerySet.as_manager()

    @transition("state", source=["active", "draining"], target="paused")
    def pause(self) -> None: ...

    @transition("state", source="active", target="draining")
    def drain(self) -> None: ...

    @transition("state", source=["paused", "draining"], target="active")
    def resume(self) -> None: ...


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class CallCount(models.Model):
    """What a lane did in ten seconds, counted as it is dispatched: the retry budget and the
    measured rate stand on it. Rows older than a day are dropped."""

    id = models.BigAutoField(primary_key=True)
    connection_id = models.UUIDField()
    begins_at = models.DateTimeField()
    first_tries = models.IntegerField(default=0)
    retries = models.IntegerField(default=0)
    lookups = models.IntegerField(default=0)
    reads = models.IntegerField(default=0)
    calls = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    settled = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection_id", "begins_at"], name="call_count_once")
        ]


class MaintenanceWindow(Record):
    """A time in which a platform is left alone: work is held, nothing fails.

    ``starts`` and ``ends`` are local times in ``time_zone``; a window may pass midnight.
    ``weekdays`` are 0 (Monday) … 6 of the day it starts; without any, it is on ``on_date`` alone.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="windows")
    weekdays = JsonField(default=list)
    on_date = models.DateField(null=True)
    starts = models.TimeField()
    ends = models.TimeField()
    time_zone = models.CharField(max_length=60, default="UTC")
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["on_date", "starts"]

    @property
    def shown(self) -> str:
        """The window in words: ``daily 22:00-23:00 Europe/Berlin, upgrade``."""
        days = ", ".join(DAYS[day] for day in self.weekdays)
        when = str(self.on_date) if self.on_date else "daily" if len(self.weekdays) == 7 else days
        why = f", {self.reason}" if self.reason else ""
        return f"{when} {self.starts:%H:%M}-{self.ends:%H:%M} {self.time_zone}{why}"


class Exchange(models.Model):
    """One request and its answer, redacted. Partitioned by range of id; append-only."""

    id = models.BigAutoField(primary_key=True)
    exchange_id = models.UUIDField(default=uuid7)
    connection_id = models.UUIDField()
    legal_entity_id = models.UUIDField(null=True)
    direction = models.CharField(max_length=3)  # in | out
    operation = models.CharField(max_length=60)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=400)
    status = models.IntegerField(null=True)
    outcome = models.CharField(max_length=20)
    error_code = models.CharField(max_length=60, blank=True)
    request_headers = JsonField(default=dict)
    request_body = models.TextField(blank=True)
    response_headers = JsonField(default=dict)
    response_body = models.TextField(blank=True)
    vendor_request_id = models.CharField(max_length=120, blank=True)
    duration_ms = models.IntegerField(default=0)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_id = models.UUIDField(null=True)
    journey_id = models.UUIDField(null=True)
    at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["subject_id", "id"], name="exchange_subject"),
            models.Index(fields=["journey_id", "id"], name="exchange_journey"),
            models.Index(fields=["connection_id", "id"], name="exchange_connection"),
        ]
