"""Products, bundles and prices."""

from django.db import models

from apps.canonical.models.base import CanonicalRecord
from apps.core.records import RateField, Record


class Product(CanonicalRecord):
    """A thing that is sold; ``revenue_class`` is the class dimension of its revenue."""

    sku = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    charge_type = models.CharField(max_length=20, default="recurring")
    revenue_class = models.CharField(max_length=40, blank=True)
    tax_category = models.CharField(max_length=40, default="saas")
    is_bundle = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.sku


class ProductComponent(Record):
    """A part of a bundle and how many of it one bundle holds."""

    bundle = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="components")
    component = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    quantity = RateField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bundle", "component"], name="component_once")
        ]


class Price(CanonicalRecord):
    """A list price of a product in one currency, per unit and billing frequency."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(max_length=3)
    unit_amount = RateField()
    frequency = models.CharField(max_length=20, default="annual")
    model = models.CharField(max_length=20, default="per_unit")
    valid_from = models.DateField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "currency", "frequency", "valid_from"],
                name="price_once",
                nulls_distinct=False,
            )
        ]
