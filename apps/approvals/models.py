"""Maker and checker: a request bound to the content it was made for."""

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from apps.core.records import AmountField, JsonField, NextNumber
from apps.organisation.models import EntityRecord


class Approval(EntityRecord):
    """A request that another person must decide. The database refuses the maker as checker."""

    number = models.BigIntegerField(unique=True, db_default=NextNumber("approval_number"))
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    content_hash = models.CharField(max_length=64)
    snapshot = JsonField(default=dict)
    state = FSMField(default="requested", protected=True)
    amount = AmountField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    reason = models.TextField(blank=True)
    requested_by_id = models.UUIDField()
    requested_by_label = models.CharField(max_length=120)
    requested_person_id = models.UUIDField()
    decided_by_id = models.UUIDField(null=True)
    decided_by_label = models.CharField(max_length=120, blank=True)
    decided_person_id = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)
    decision_note = models.TextField(blank=True)
    needed_by = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_person_id__isnull=True)
                | ~Q(decided_person_id=F("requested_person_id")),
                name="maker_is_not_checker",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "rejected"])
                | Q(decided_person_id__isnull=False),
                name="decision_has_a_person",
            ),
            models.UniqueConstraint(
                fields=["subject_type", "subject_id", "kind"],
                condition=Q(state="requested"),
                name="one_open_request",
            ),
        ]

    @property
    def code(self) -> str:
        return f"APR-{self.number}"

    @transition("state", source="requested", target="approved")
    def approve(self) -> None: ...

    @transition("state", source="requested", target="rejected")
    def reject(self) -> None: ...

    @transition("state", source="requested", target="expired")
    def expire(self) -> None: ...

    @transition("state", source="requested", target="stale")
    def make_stale(self) -> None: ...
