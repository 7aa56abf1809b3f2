"""What we write to an external system, once in effect."""

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from apps.core.records import AmountField, JsonField, NextNumber
from apps.organisation.models import EntityRecord

# A posting in one of these holds up the later ones of its ordering key.
STUCK = ("rejected", "parked", "dead")  # a person must help before it goes on
OPEN_STATES = ("queued", "sending", "unknown", "posted", "rejected", "parked", "dead")


class Posting(EntityRecord):
    """An intended write. ``posted`` is the vendor's word, ``confirmed`` is ours after read-back.

    ``key`` = hash(entity, ledger role, document, version, purpose): the same business fact gives
    the same key, so it is submitted once. ``reference`` is what the vendor's document carries
    (at most 16 characters). ``payload_revision`` rises only after a definite rejection.
    """

    key = models.CharField(max_length=64, unique=True)
    reference = models.CharField(max_length=16, unique=True)
    connection_id = models.UUIDField()
    operation = models.CharField(max_length=60)  # e.g. invoice.create
    purpose = models.CharField(max_length=40)
    ledger_role = models.CharField(max_length=10, default="primary")
    document_type = models.CharField(max_length=40)
    document_id = models.UUIDField()
    document_version = models.BigIntegerField(default=1)
    document_label = models.CharField(max_length=80, blank=True)
    ordering_key = models.CharField(max_length=120)
    # order within the ordering key
    sequence = models.BigIntegerField(db_default=NextNumber("posting_sequence"))
    state = FSMField(default="queued", protected=True)
    payload = JsonField()  # what is meant, in canonical terms
    request = JsonField(null=True)  # what is sent, translated to the vendor's terms
    payload_revision = models.IntegerField(default=1)
    translation_id = models.UUIDField(null=True)
    amount = AmountField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    is_material = models.BooleanField(default=False)
    run_id = models.UUIDField(null=True)
    step_id = models.UUIDField(null=True)
    journey_id = models.UUIDField(null=True)
    attempts = models.IntegerField(default=0)
    lookups = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    is_held = models.BooleanField(default=False)  # its run is paused: not sent until released
    claimed_by = models.CharField(max_length=120, blank=True)
    claim_epoch = models.BigIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)
    first_sent_at = models.DateTimeField(null=True)  # under the present key of the vendor
    external_id = models.CharField(max_length=120, blank=True)
    result = JsonField(default=dict)
    posting_date = models.DateField(null=True)  # of the document; decides what is close-critical
    unsettled_since = models.DateTimeField(null=True)  # not known, or not read back, since
    doubtful_since = models.DateTimeField(null=True)  # a dispatch since may stand there unseen
    skipped_at = models.DateTimeField(null=True)  # two people let the later ones of its key go on
    error_kind = models.CharField(max_length=20, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    error_field = models.CharField(max_length=120, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["connection_id", "ordering_key", "sequence"],
                condition=Q(state__in=OPEN_STATES, skipped_at__isnull=True),
                name="posting_head",
            ),
            models.Index(
                fields=["connection_id", "due_at"],
                condition=Q(state__in=["queued", "unknown", "posted", "sending"]),
                name="posting_due",
            ),
            models.Index(
                fields=["unsettled_since"],
                condition=Q(unsettled_since__isnull=False),
                name="posting_unsettled",
            ),
            models.Index(fields=["step_id"], name="posting_step"),
            models.Index(fields=["document_id"], name="posting_document"),
            models.Index(fields=["journey_id"], name="posting_journey"),
        ]

    @transition("state", source=["queued"], target="sending")
    def send(self) -> None: ...

    @transition("state", source=["sending"], target="unknown")
    def lose_track(self) -> None: ...

    @transition("state", source=["queued"], target="unknown")
    def look_first(self) -> None: ...

    @transition("state", source=["sending"], target="queued")
    def hold(self) -> None: ...

    @transition("state", source=["sending", "unknown"], target="posted")
    def post(self) -> None: ...

    @transition("state", source=["posted"], target="confirmed")
    def confirm(self) -> None: ...

    @transition("state", source=["queued", "sending"], target="rejected")
    def reject(self) -> None: ...

    @transition("state", source=["unknown"], target="queued")
    def send_again(self) -> None: ...

    @transition("state", source=["sending", "unknown", "posted", "queued"], target="parked")
    def park(self) -> None: ...

    @transition("state", source=["rejected", "parked", "dead"], target="queued")
    def requeue(self) -> None: ...

    @transition("state", source=["cancelled"], target="queued")
    def revive(self) -> None: ...

    @transition("state", source=["parked"], target="posted")
    def adopt(self) -> None: ...

    @transition("state", source=["parked"], target="unknown")
    def doubt(self) -> None: ...

    @transition("state", source=["parked"], target="confirmed")
    def accept(self) -> None: ...

    @transition("state", source=["queued", "rejected", "parked"], target="dead")
    def bury(self) -> None: ...

    @transition("state", source=["queued", "rejected", "parked", "dead"], target="cancelled")
    def cancel(self) -> None: ...


class Attempt(models.Model):
    """One try of a posting, counted when it is dispatched: a crash leaves it without outcome."""

    id = models.BigAutoField(primary_key=True)
    posting = models.ForeignKey(Posting, on_delete=models.CASCADE, related_name="tries")
    number = models.IntegerField()
    kind = models.CharField(max_length=10, default="send")  # send | lookup | read_back
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    worker = models.CharField(max_length=120)
    token = models.CharField(max_length=140, blank=True)  # of the claim it was made under

    class Meta:
        ordering = ["id"]


class RefusedWrite(models.Model):
    """A result that came too late: its claim had been taken over, so it changed nothing.

    The row counts and proves the refusal; what the late worker did is found by the lookup.
    """

    id = models.BigAutoField(primary_key=True)
    posting = models.ForeignKey(Posting, on_delete=models.CASCADE, related_name="refused_writes")
    connection_id = models.UUIDField()
    token = models.CharField(max_length=140)
    claim_epoch = models.BigIntegerField()
    wanted = models.CharField(max_length=20)  # the transition
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["connection_id", "id"], name="refused_write_connection")]
