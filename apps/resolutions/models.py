"""What people did about a case."""

from django.db import models

from apps.core.records import JsonField, Record


class Resolution(Record):
    """One remedy tried on one case, by whom, with what, and whether it held."""

    case_id = models.UUIDField(db_index=True)
    case_rev = models.BigIntegerField(default=0)  # the case's revision when it was tried
    legal_entity_id = models.UUIDField(null=True)
    remedy = models.CharField(max_length=40)
    params = JsonField(default=dict)
    reason = models.TextField(blank=True)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=120)
    batch_item_id = models.BigIntegerField(null=True)
    approval_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=20, default="started")
    outcome_note = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True)
