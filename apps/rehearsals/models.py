"""The same inputs again with no outbound call."""

from django.db import models

from apps.core.records import JsonField, Record


class Rehearsal(Record):
    """A mapping draft run over recorded inputs: how many stay the same, change, pass, fail."""

    mapping_version_id = models.UUIDField(db_index=True)
    legal_entity_id = models.UUIDField(null=True)
    content_hash = models.CharField(max_length=64)
    requested_by_label = models.CharField(max_length=120)
    total = models.IntegerField(default=0)
    same = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    now_passes = models.IntegerField(default=0)
    newly_fails = models.IntegerField(default=0)
    still_fails = models.IntegerField(default=0)
    samples = JsonField(default=list)
    run_at = models.DateTimeField()
