"""What comes in: raw deliveries, the events they carry, and what was refused at the door."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from apps.core.records import JsonField, Record
from apps.core.scoping import ScopedQuerySet
from apps.organisation.models import EntityRecord

# The type of an event that nobody can read yet; its payload holds the raw text alone.
UNREADABLE = "unreadable"


class Delivery(Record):
    """One body as it arrived: raw bytes and hash, stored once, before it was acknowledged.

    ``attempts`` counts how often a worker took it up to split it, and is the epoch of that claim;
    ``due_at`` (database clock) is when it may be taken up again.
    """

    connection_id = models.UUIDField()
    channel = models.CharField(max_length=10)  # webhook | api | poll | file
    message_id = models.CharField(max_length=160)
    raw = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=100, blank=True)
    headers = JsonField(default=dict)
    received_at = models.DateTimeField()
    split_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(split_at__isnull=True), name="delivery_unsplit"
            )
        ]


class InboundEvent(EntityRecord):
    """One business message of a delivery: an object of theirs at one version of theirs.

    ``epoch`` rises with every claim; a claim ends at ``due_at`` by the database's clock. At most
    one event of an ordering key is claimed (ADR-0021). ``follows`` is the version that must be
    applied before this one; 0 when the event stands alone.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="events")
    ordinal = models.PositiveIntegerField()
    connection_id = models.UUIDField()
    event_type = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=120)
    source_version = models.BigIntegerField(default=0)
    follows = models.BigIntegerField(default=0, db_default=0)
    ordering_key = models.CharField(max_length=200)
    payload = JsonField(null=True)
    edited_payload = JsonField(null=True)  # a person's repair; the original stays in payload
    state = FSMField(default="received", protected=True)
    wait_reason = models.CharField(max_length=30, blank=True)  # fetch | dependency | version
    waits_for = models.CharField(max_length=200, blank=True)
    deadline = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    epoch = models.BigIntegerField(default=0, db_default=0)
    journey_id = models.UUIDField(null=True)
    record_type = models.CharField(max_length=40, blank=True)
    record_id = models.UUIDField(null=True)
    translation_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=60, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_field = models.CharField(max_length=120, blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "ordinal"], name="inbound_event_once"),
            models.UniqueConstraint(
                fields=["ordering_key"], condition=Q(state="processing"), name="inbound_one_claim"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state="received"), name="inbound_received"
            ),
            models.Index(
                fields=["ordering_key", "source_version"],
                condition=Q(state__in=["received", "waiting", "processing"]),
                name="inbound_order",
            ),
            models.Index(
                fields=["waits_for"], condition=Q(state="waiting"), name="inbound_waits_for"
            ),
            models.Index(fields=["ordering_key", "source_version"], name="inbound_object"),
            models.Index(fields=["journey_id"], name="inbound_journey"),
        ]

    INITIAL_STATES = ("received", "waiting", "dead")

    @property
    def is_unreadable(self) -> bool:
        return self.object_type == UNREADABLE

    @property
    def raw_text(self) -> str:
        """The text of an unreadable message, as a person edits it."""
        return str((self.payload or {}).get("raw") or "")

    @transition("state", source=["received"], target="processing")
    def process(self) -> None: ...

    @transition("state", source=["received", "processing"], target="waiting")
    def wait(self) -> None: ...

    @transition("state", source=["waiting", "processing", "dead"], target="received")
    def receive_again(self) -> None: ...

    @transition("state", source=["received", "processing"], target="processed")
    def finish(self) -> None: ...

    @transition("state", source=["received", "processing", "waiting", "dead"], target="ignored")
    def ignore(self) -> None: ...

    @transition("state", source=["received", "processing", "waiting"], target="dead")
    def die(self) -> None: ...


class SeenMessage(models.Model):
    """Every accepted message id of a connection, kept 90 days: the one place of de-duplication."""

    id = models.BigAutoField(primary_key=True)
    connection_id = models.UUIDField()
    message_id = models.CharField(max_length=160)
    sha256 = models.CharField(max_length=64)
    delivery_id = models.UUIDField()
    duplicates = models.IntegerField(default=0)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection_id", "message_id"], name="seen_once")
        ]


class Quarantine(Record):
    """A body refused at the door, kept capped for a person; it claims no id, changes nothing."""

    connection_id = models.UUIDField(null=True)
    legal_entity_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=40)
    explanation = models.TextField()
    message_id = models.CharField(max_length=160, blank=True)
    raw = models.BinaryField()
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    headers = JsonField(default=dict)
    status_code = models.PositiveSmallIntegerField()
    received_at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-received_at", "-id"], name="quarantine_newest")]


class SourceCheck(models.Model):
    """What comparing with a source found that no webhook had brought."""

    connection_id = models.UUIDField(primary_key=True)
    compared_at = models.DateTimeField()
    found = models.BigIntegerField(default=0)
    last_found_at = models.DateTimeField(null=True)
