"""What every canonical record carries, and the history of its versions."""

from django.db import models

from apps.core.records import JsonField
from apps.organisation.models import EntityRecord


class CanonicalRecord(EntityRecord):
    """A record with a version of its own and the owner's version it was last applied from.

    ``version`` rises by one with every change of content (the order of the aggregate);
    ``source_version`` is the owning platform's (milliseconds since 1970 for Salesforce);
    an older one is refused. ``status`` is the owner's word, a fact and no state of ours.
    """

    version = models.BigIntegerField(default=1)
    source_system = models.CharField(max_length=40, blank=True)
    source_version = models.BigIntegerField(default=0)
    content_hash = models.CharField(max_length=64, blank=True)
    journey_id = models.UUIDField(null=True, db_index=True)
    status = models.CharField(max_length=40, blank=True)

    class Meta:
        abstract = True


class RecordVersion(models.Model):
    """The content of a canonical record at one version, as applied."""

    id = models.BigAutoField(primary_key=True)
    record_type = models.CharField(max_length=40)
    record_id = models.UUIDField()
    version = models.BigIntegerField()
    legal_entity_id = models.UUIDField(null=True)
    content = JsonField()
    content_hash = models.CharField(max_length=64)
    source_system = models.CharField(max_length=40)
    source_version = models.BigIntegerField(default=0)
    translation_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=120)
    applied_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["record_type", "record_id", "version"], name="record_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_type} {self.record_id} version {self.version}"
