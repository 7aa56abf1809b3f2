"""Fields that several resources share."""

from decimal import Decimal
from operator import attrgetter
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.money import quantise


@extend_schema_field({"type": "string", "format": "decimal", "example": "1200.00"})
class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """An amount as an exact string with its currency's digits; null when it is not known.

    ``currency`` is the path to the ISO 4217 code from the row.
    """

    def __init__(self, amount: str, currency: str = "currency") -> None:
        super().__init__(source="*", read_only=True)
        self.amount, self.currency = amount, attrgetter(currency)

    def to_representation(self, value: Any) -> str | None:
        amount: Decimal | None = getattr(value, self.amount)
        currency = self.currency(value)
        if amount is None:
            return None
        return format(quantise(amount, currency) if currency else amount, "f")


@extend_schema_field({"type": "string", "format": "decimal", "example": "12.5"})
class RateField(serializers.Field[Any, Any, Any, Any]):
    """A quantity, price or rate as an exact string without trailing zeros."""

    def to_representation(self, value: Decimal) -> str:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
