"""Reference data that every financial document points to."""

from django.db import models

from apps.canonical.models.base import CanonicalRecord
from apps.core.records import RateField


class AccountingDimension(CanonicalRecord):
    """A value of an accounting dimension: department, class or location, owned by the ERP."""

    class Kind(models.TextChoices):
        DEPARTMENT = "department", "Department"
        CLASS = "class", "Class"
        LOCATION = "location", "Location"

    kind = models.CharField(max_length=20, choices=Kind)
    code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "kind", "code"],
                name="dimension_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


class TaxCode(CanonicalRecord):
    """A tax treatment; ``rate`` is a fraction (0.19 for 19 %)."""

    code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    country = models.CharField(max_length=2)
    rate = RateField()
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "code"], name="tax_code_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.code
