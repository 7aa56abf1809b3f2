"""Customers."""

from django.db import models

from apps.canonical.models.base import CanonicalRecord


class Customer(CanonicalRecord):
    """A company that buys; ``department`` and ``location`` are the dimensions of its sales."""

    number = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    currency = models.CharField(max_length=3)
    vat_id = models.CharField(max_length=40, blank=True)
    street = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=80, blank=True)
    state_code = models.CharField(max_length=10, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)
    department = models.CharField(max_length=40, blank=True)
    location = models.CharField(max_length=40, blank=True)
    payment_terms_days = models.PositiveSmallIntegerField(default=30)

    def __str__(self) -> str:
        return self.name
