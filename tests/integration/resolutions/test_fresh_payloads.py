"""A retried posting says what its step would say today, not what it said when it was refused."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.canonical.models import Contract, Order, Product, Quote
from apps.core.clock import utc_now
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Posting
from apps.resolutions.services import apply_remedy
from apps.workflows.models import Step
from apps.workflows.services import advance_due, settle_postings, start_runs
from apps.workflows.types import RunDraft
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import make_connection, make_customer, move_posting, open_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    entity = make_entities()["DE01"]
    acme = make_customer(entity, department="SALES", vat_id="bad")
    days = {"start_date": dt.date(2026, 11, 1), "end_date": dt.date(2027, 11, 1)}
    common = {"legal_entity": entity, "customer": acme, "currency": "EUR", "net": Decimal(1200)}
    quote = Quote.objects.create(number="Q-1", term_months=12, **days, **common)
    contract = Contract.objects.create(number="C-1", **days, **common)
    order = Order.objects.create(number="O-1", quote=quote, contract=contract, **days, **common)
    order.lines.create(
        position=0, product=Product.objects.create(sku="PRO-1", name="Pro"), quantity=1,
        charge_type="recurring", frequency="annual", unit_price=1200, net=Decimal(1200),
    )  # fmt: skip
    for code, role in (("stripe", "billing"), ("ratetable", "tax"), ("netsuite", "erp")):
        make_connection(code, role, code)
    return order


def _start(order):
    now = utc_now()
    draft = RunDraft(
        "order_activation", str(order.id), "order", order.id, order.number,
        f"contract:{order.contract_id}", order.legal_entity_id, uuid.uuid4(),
    )  # fmt: skip
    start_runs([draft], now=now)
    advance_due(now=now)
    return now


def test_the_corrected_customer_reaches_the_refused_posting(order):
    now = _start(order)
    posting = Posting.objects.get(operation="tax.quote")
    assert posting.payload["customer"]["vat_id"] == "bad"
    move_posting(posting.id, "reject", error_code="tax_validation_failed")
    settle_postings([posting.id], now=now)
    assert Step.objects.get(name="tax").state == "failed"
    case = open_case(
        order.legal_entity, "postings.posting", posting.id, now, code="tax_validation_failed",
        facts={"field": "customer.vat_id"},
    )  # fmt: skip
    apply_remedy(
        case.id, "correct_master_data", params={"field": "vat_id", "value": "DE123456789"},
        principal=make_principal("Mara", "operations"), now=now,
    )  # fmt: skip
    again = Posting.objects.get(id=posting.id)
    assert (again.state, again.payload["customer"]["vat_id"]) == ("queued", "DE123456789")
    settle_postings([posting.id], now=now)
    assert Step.objects.get(name="tax").state == "waiting"


def test_a_refused_step_decides_again(order):
    order.customer.department = ""
    order.customer.save()
    _start(order)
    step = Step.objects.get(name="check_references")
    assert (step.state, step.error_code) == ("failed", "missing_dimension")
    case = ExceptionCase.objects.get()
    assert (case.subject_id, case.customer) == (step.id, "Acme")
    apply_remedy(
        case.id, "correct_master_data", params={"field": "department", "value": "SALES"},
        principal=make_principal("Mara", "operations"), now=utc_now(),
    )  # fmt: skip
    advance_due(now=utc_now())
    assert Step.objects.get(name="check_references").state == "succeeded"
    assert Posting.objects.count() == 3
