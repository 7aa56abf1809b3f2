"""Who owns which field of which record."""

from django.db import models

from apps.core.records import Record


class FieldOwnership(Record):
    """The platform role whose word counts for a field; ``*`` stands for all other fields."""

    record_type = models.CharField(max_length=40)
    field = models.CharField(max_length=60, default="*")
    owner = models.CharField(max_length=20)  # cpq | billing | erp | hub

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record_type", "field"], name="ownership_once")
        ]
        verbose_name_plural = "field ownership"

    def __str__(self) -> str:
        return f"{self.record_type}.{self.field}: {self.owner}"
