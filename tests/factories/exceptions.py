"""Cases, families, dead letters."""

import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.core.ids import uuid7
from apps.exceptions.models import DeadLetter, ExceptionCase, ExceptionFamily
from tests.factories.organisation import LegalEntityFactory


class FamilyFactory(DjangoModelFactory[ExceptionFamily]):
    class Meta:
        model = ExceptionFamily
        django_get_or_create = ("fingerprint",)

    code = "unmapped_product"
    title = "Product PLAT-ENT-36 is not mapped"
    fingerprint = factory.LazyAttribute(
        lambda o: hashlib.sha256(f"{o.code}{o.title}".encode()).hexdigest()
    )


class CaseFactory(DjangoModelFactory[ExceptionCase]):
    class Meta:
        model = ExceptionCase

    family = factory.SubFactory(
        FamilyFactory,
        code=factory.SelfAttribute("..code"),
        title=factory.SelfAttribute("..title"),
    )
    legal_entity = factory.SubFactory(LegalEntityFactory)
    code = "unmapped_product"
    category = "mapping"
    severity = "high"
    title = "Product PLAT-ENT-36 is not mapped"
    explanation = "NetSuite has no item for PLAT-ENT-36. Map the product, then retry."
    flow = "invoice_posting"
    lane = "erp"
    amount_at_risk = Decimal("148210.00")
    currency = "EUR"
    subject_type = "postings.posting"
    subject_id = factory.LazyFunction(uuid7)
    document = factory.Sequence(lambda n: f"INV-2026-{n:06d}")
    customer = "Halvorsen Marine AS"
    opened_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=2))
    sla_due_at = factory.LazyAttribute(lambda o: o.opened_at + dt.timedelta(hours=4))


class DeadLetterFactory(DjangoModelFactory[DeadLetter]):
    class Meta:
        model = DeadLetter

    legal_entity = factory.SubFactory(LegalEntityFactory)
    origin_type = "postings.posting"
    origin_id = factory.LazyFunction(uuid7)
    connection_code = "netsuite"
    message_type = "invoice.create"
    error_code = "vendor_outage"
    error_message = "NetSuite did not answer within 30 s (8 attempts)."
    attempts = 8
    amount = Decimal("1200.00")
    currency = "EUR"
    parked_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))


def open_case(**fields: Any) -> ExceptionCase:
    """A case with its database-made number."""
    return ExceptionCase.objects.get(pk=CaseFactory.create(**fields).pk)
