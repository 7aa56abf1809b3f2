"""What happened: append-only events, the cursors that read them, and the seal over them."""

from django.db import models
from django.db.models import Q

from apps.core.ids import uuid7
from apps.core.records import JsonField, Record
from apps.core.scoping import ScopedQuerySet


class XidField(models.Field):  # type: ignore[type-arg]
    """PostgreSQL's 64-bit transaction id (xid8), filled by the database."""

    def db_type(self, connection: object) -> str:
        return "xid8"


class CurrentXid(models.Func):
    template = "pg_current_xact_id()"
    output_field = XidField()


# Decisions of people and incidents: few among many, and what a person who comes back reads first.
TOLD = (
    "approval.approved", "approval.rejected", "batch.finished", "break.written_off",
    "connection.circuit_closed", "connection.circuit_opened", "connection.paused",
    "connection.resumed", "exception_family.regressed", "exception_family.resolved",
    "mapping_version.active", "period.locked", "period.reopened",
)  # fmt: skip


class Event(models.Model):
    """One business event. Append-only, written in the transaction of the change it tells of.

    Subscribers read in order of (xid, id) below ``pg_snapshot_xmin``: a plain ``id > last``
    skips rows of transactions that commit late. The table is partitioned by range of id.
    """

    id = models.BigAutoField(primary_key=True)
    xid = XidField(db_default=CurrentXid(), editable=False)
    event_id = models.UUIDField(default=uuid7)
    type = models.CharField(max_length=80)
    aggregate_type = models.CharField(max_length=60)
    aggregate_id = models.UUIDField()
    aggregate_version = models.BigIntegerField(default=0)
    legal_entity_id = models.UUIDField(null=True)
    journey_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=120)
    data = JsonField(default=dict)
    occurred_at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["xid", "id"], name="event_order"),
            models.Index(fields=["aggregate_id", "id"], name="event_aggregate"),
            models.Index(fields=["journey_id", "id"], name="event_journey"),
            models.Index(fields=["id"], condition=Q(type__in=TOLD), name="event_told"),
        ]


class Cursor(models.Model):
    """How far one in-hub subscriber has read. ``failures`` counts those of the next event alone;
    ``retry_at`` (database clock) is when it is tried again."""

    name = models.CharField(max_length=80, primary_key=True)
    xid = models.BigIntegerField(default=0)
    last_id = models.BigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    retry_at = models.DateTimeField(null=True)


class SetAside(Record):
    """An event that one subscriber failed on until its cursor passed it; kept for a person.

    ``is_due``: a person asked to hand it over again. ``is_told``: a case tells of its failure.
    """

    subscriber = models.CharField(max_length=80)
    event_id = models.BigIntegerField()
    error = models.TextField()
    is_due = models.BooleanField(default=False)
    is_told = models.BooleanField(default=False)
    handed_over_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "events set aside"
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "event_id"], name="set_aside_once")
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(is_due=True) | Q(is_told=False), name="set_aside_open"
            )
        ]


class Seal(models.Model):
    """The hash chain over events: each link covers the event's content and the link before."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(auto_now_add=True)


class Transition(models.Model):
    """Every state change of every state machine, written by database trigger with its actor."""

    id = models.BigAutoField(primary_key=True)
    xid = XidField(db_default=CurrentXid(), editable=False)
    table_name = models.CharField(max_length=63)
    row_id = models.CharField(max_length=40)
    from_state = models.CharField(max_length=30)
    to_state = models.CharField(max_length=30)
    actor = models.TextField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["row_id", "id"], name="transition_row")]
