"""What every stored record has, and the columns money is kept in."""

from typing import Any

from django.db import models

from apps.core.codec import HubEncoder
from apps.core.ids import uuid7


class NextNumber(models.Func):
    """``nextval`` of a sequence, for human numbers such as EXC-10482."""

    template = "nextval('%(sequence)s')"
    output_field = models.BigIntegerField()

    def __init__(self, sequence: str) -> None:
        super().__init__(sequence=sequence)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return ("apps.core.records.NextNumber", (self.extra["sequence"],), {})


def AmountField(**options: Any) -> "models.DecimalField[Any, Any]":
    """An amount in major units: numeric(20,4)."""
    return models.DecimalField(max_digits=20, decimal_places=4, **options)


def RateField(**options: Any) -> "models.DecimalField[Any, Any]":
    """A unit price, rate or factor: numeric(30,14)."""
    return models.DecimalField(max_digits=30, decimal_places=14, **options)


def JsonField(**options: Any) -> "models.JSONField[Any, Any]":
    """jsonb through the hub's codec. Never for what we query."""
    return models.JSONField(encoder=HubEncoder, **options)


class Record(models.Model):
    """A row keyed by UUIDv7 with the moments (UTC) of its making and last change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
