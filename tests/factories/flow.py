"""A contract's way from quote to ledger: documents, runs, steps, postings, journeys."""

import datetime as dt
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.canonical.models import Contract, Customer, Invoice, Order, Product, Quote
from apps.connectors.models import Connection, Exchange
from apps.core.ids import uuid7
from apps.monitoring.models import Journey, JourneyItem, ReferenceIndex
from apps.postings.models import Posting
from apps.workflows.models import Step, WorkflowRun
from tests.factories.organisation import LegalEntityFactory

TODAY = dt.date(2026, 11, 23)


class ConnectionFactory(DjangoModelFactory[Connection]):
    class Meta:
        model = Connection
        django_get_or_create = ("code",)

    code = "netsuite"
    name = factory.LazyAttribute(lambda o: o.code.title())
    vendor = factory.SelfAttribute("code")
    role = "erp"
    base_url = "http://127.0.0.1:1"
    last_success_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC))


class CustomerFactory(DjangoModelFactory[Customer]):
    class Meta:
        model = Customer
        django_get_or_create = ("number",)

    number = factory.Sequence(lambda n: f"CUS-{20400 + n}")
    name = "Halvorsen Marine AS"
    legal_entity = factory.SubFactory(LegalEntityFactory)
    currency = "EUR"
    country = "DE"
    city = "Kiel"
    department = "SALES-EU"


class ProductFactory(DjangoModelFactory[Product]):
    class Meta:
        model = Product
        django_get_or_create = ("sku",)

    sku = "PLAT-ENT-36"
    name = "Platform Enterprise"


class QuoteFactory(DjangoModelFactory[Quote]):
    class Meta:
        model = Quote

    number = factory.Sequence(lambda n: f"Q-{55200 + n}")
    legal_entity = factory.SelfAttribute("customer.legal_entity")
    customer = factory.SubFactory(CustomerFactory)
    currency = factory.SelfAttribute("customer.currency")
    net = Decimal("148210.00")
    start_date = TODAY
    end_date = TODAY + dt.timedelta(days=365)
    term_months = 12
    approval_outcome = "approved"
    accepted_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=6))


class ContractFactory(DjangoModelFactory[Contract]):
    class Meta:
        model = Contract

    number = factory.Sequence(lambda n: f"C-{88200 + n}")
    legal_entity = factory.SelfAttribute("customer.legal_entity")
    customer = factory.SubFactory(CustomerFactory)
    currency = factory.SelfAttribute("customer.currency")
    start_date = TODAY
    end_date = TODAY + dt.timedelta(days=365)
    net = Decimal("148210.00")


class OrderFactory(DjangoModelFactory[Order]):
    class Meta:
        model = Order

    number = factory.Sequence(lambda n: f"ORD-{13300 + n}")
    quote = factory.SubFactory(QuoteFactory)
    customer = factory.SelfAttribute("quote.customer")
    legal_entity = factory.SelfAttribute("quote.legal_entity")
    contract = factory.SubFactory(ContractFactory, customer=factory.SelfAttribute("..customer"))
    currency = factory.SelfAttribute("quote.currency")
    net = factory.SelfAttribute("quote.net")
    start_date = TODAY
    end_date = TODAY + dt.timedelta(days=365)


class InvoiceFactory(DjangoModelFactory[Invoice]):
    class Meta:
        model = Invoice

    number = factory.Sequence(lambda n: f"INV-2026-{7000 + n:06d}")
    customer = factory.SelfAttribute("contract.customer")
    contract = factory.SubFactory(ContractFactory)
    legal_entity = factory.SelfAttribute("contract.legal_entity")
    currency = factory.SelfAttribute("contract.currency")
    invoice_date = TODAY
    net = Decimal("148210.00")
    tax = Decimal("0")
    gross = factory.SelfAttribute("net")


class RunFactory(DjangoModelFactory[WorkflowRun]):
    class Meta:
        model = WorkflowRun

    definition = "invoice_posting"
    definition_version = 1
    key = factory.Sequence(lambda n: f"invoice:{n}")
    subject_type = "invoice"
    subject_id = factory.LazyFunction(uuid7)
    label = factory.Sequence(lambda n: f"INV-2026-{n:06d}")
    ordering_key = "contract:1"
    legal_entity = factory.SubFactory(LegalEntityFactory)
    amount = Decimal("148210.00")
    currency = "EUR"
    started_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=2))


class PostingFactory(DjangoModelFactory[Posting]):
    class Meta:
        model = Posting

    key = factory.LazyFunction(lambda: uuid7().hex)
    reference = factory.LazyFunction(lambda: f"Q{uuid7().hex[-13:].upper()}")
    connection_id = factory.LazyFunction(lambda: ConnectionFactory.create().id)
    operation = "invoice.create"
    purpose = "create"
    document_type = "invoice"
    document_id = factory.LazyFunction(uuid7)
    document_label = "INV-2026-006991"
    ordering_key = "contract:1"
    legal_entity = factory.SubFactory(LegalEntityFactory)
    payload = factory.LazyFunction(dict)
    amount = Decimal("148210.00")
    currency = "EUR"
    due_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC))


def make_steps(run: WorkflowRun, *parts: tuple[str, str, int]) -> list[Step]:
    """Pending steps of a run as (name, lane, minutes after its start)."""
    begun = run.started_at or dt.datetime.now(dt.UTC)
    return [
        Step.objects.create(
            run=run, position=place, name=name, lane=lane, kind="retriable",
            legal_entity_id=run.legal_entity_id,
            started_at=begun + dt.timedelta(minutes=minutes),
            finished_at=begun + dt.timedelta(minutes=minutes + 4),
        )
        for place, (name, lane, minutes) in enumerate(parts)
    ]  # fmt: skip


def make_exchange(connection: Connection, **fields: Any) -> Exchange:
    """One call in the log."""
    values = {
        "connection_id": connection.id, "direction": "out", "operation": "invoice.create",
        "method": "POST", "path": "/services/rest/record/v1/invoice", "status": 201,
        "outcome": "ok", "duration_ms": 840, "at": dt.datetime.now(dt.UTC),
    }  # fmt: skip
    return Exchange.objects.create(**(values | fields))


class JourneyFactory(DjangoModelFactory[Journey]):
    class Meta:
        model = Journey

    id = factory.LazyFunction(uuid7)
    key = factory.Sequence(lambda n: f"ORD-{13300 + n}")
    legal_entity_id = factory.LazyFunction(lambda: LegalEntityFactory.create().id)
    customer = "Halvorsen Marine AS"
    currency = "EUR"
    amount = Decimal("148210.00")
    opened_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    changed_at = factory.LazyFunction(lambda: dt.datetime.now(dt.UTC))


def add_item(journey: Journey, lane: str, title: str, **fields: Any) -> JourneyItem:
    """A document, or one that must come, in a lane."""
    values = {
        "kind": "document", "key": title, "state": "done", "currency": journey.currency,
        "at": journey.opened_at,
    }  # fmt: skip
    return JourneyItem.objects.create(journey=journey, lane=lane, title=title, **(values | fields))


def add_reference(journey: Journey, kind: str, value: str) -> ReferenceIndex:
    """An id by which the journey is found."""
    return ReferenceIndex.objects.create(
        kind=kind, value=value.lower(), object_type=kind, object_id=uuid7(),
        journey_id=journey.id, legal_entity_id=journey.legal_entity_id, label=value,
    )  # fmt: skip
