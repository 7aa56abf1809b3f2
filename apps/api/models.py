"""What the API itself keeps: answers given under an idempotency key, and a log of its calls."""

from django.db import models

from apps.core.records import JsonField
from apps.core.scoping import ScopedQuerySet


class IdempotencyRecord(models.Model):
    """A client's key, the request it was used for, and the answer; without one it still runs."""

    id = models.BigAutoField(primary_key=True)
    client_id = models.UUIDField()
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = JsonField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client_id", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return self.key


class ApiCall(models.Model):
    """One call of the domain API: who, what, how it ended, how long it took. No bodies."""

    id = models.BigAutoField(primary_key=True)
    client_id = models.UUIDField(null=True)
    client_name = models.CharField(max_length=80, blank=True)
    legal_entity_id = models.UUIDField(null=True)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    status_code = models.PositiveSmallIntegerField()
    problem = models.CharField(max_length=60, blank=True)
    idempotency_key = models.CharField(max_length=255, blank=True)
    duration_ms = models.IntegerField(default=0)
    at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["client_id", "-id"], name="api_call_client")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
