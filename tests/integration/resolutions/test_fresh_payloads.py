"""A retried posting says what its step would say today, not what it said when it was refused."""

import datetime as dt
import uuid
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.canonical.models import Contract, Order, Product, Quote
from apps.core.clock import utc_now
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Posting
from apps.resolutions.errors import RemedyError
from apps.resolutions.services import apply_remedy, run_batch, start_batch
from apps.workflows.models import Step
from apps.workflows.registry import definition_of
from apps.workflows.services import (
    advance_due,
    fresh,
    reset_to_step,
    retry_steps,
    settle_postings,
    start_runs,
    why_not_retried,
)
from apps.workflows.types import RunDraft
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import (
    TESTS,
    make_connection,
    make_customer,
    move_posting,
    open_case,
)

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


def _refused_tax(order, now):
    posting = Posting.objects.get(operation="tax.quote")
    move_posting(posting.id, "reject", error_code="tax_validation_failed")
    settle_postings([posting.id], now=now)
    return posting, Step.objects.get(name="tax")


def test_a_step_retry_sends_what_the_step_means_today(order):
    now = _start(order)
    posting, step = _refused_tax(order, now)
    order.customer.vat_id = "DE123456789"
    order.customer.save()
    assert retry_steps([step.id], actor=TESTS, now=now) == [step.id]
    again = Posting.objects.get(id=posting.id)
    assert (again.state, again.payload["customer"]["vat_id"]) == ("queued", "DE123456789")


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_reset_sends_what_the_step_means_today(order, is_refused):
    """Refused or not sent yet, it is taken back and queued as the step decides it anew."""
    now = _start(order)
    posting, step = Posting.objects.get(operation="tax.quote"), Step.objects.get(name="tax")
    if is_refused:
        posting, step = _refused_tax(order, now)
    order.customer.vat_id = "DE123456789"
    order.customer.save()
    reset_to_step(step.run_id, "tax", reason="The VAT id is mended.", actor=TESTS, now=now)
    assert Posting.objects.get(id=posting.id).state == "cancelled"
    advance_due(now=utc_now())
    decided = Step.objects.get(id=step.id)
    assert (decided.state, decided.posting_id) == ("waiting", posting.id)
    assert decided.command_hash != step.command_hash
    again = Posting.objects.get(id=posting.id)
    assert (again.state, again.payload["customer"]["vat_id"]) == ("queued", "DE123456789")


def test_a_step_that_cannot_decide_now_is_a_refusal_in_words(order, monkeypatch):
    now = _start(order)
    posting, step = _refused_tax(order, now)
    case = open_case(
        order.legal_entity, "postings.posting", posting.id, now, code="tax_validation_failed",
    )  # fmt: skip
    definition = definition_of("order_activation", step.run.definition_version)
    lacks = replace(definition.step("tax"), decide=lambda facts: facts["outputs"]["taken back"])
    steps = tuple(lacks if form.name == "tax" else form for form in definition.steps)
    monkeypatch.setattr(fresh, "definition_of", lambda *_: replace(definition, steps=steps))
    with pytest.raises(RemedyError, match=r"What tax of O-1 would send cannot be told now"):
        apply_remedy(
            case.id, "retry", params={}, principal=make_principal("Mara", "operations"), now=now,
        )  # fmt: skip
    assert retry_steps([step.id], actor=TESTS, now=now) == []
    assert "KeyError" in why_not_retried(step.id)
    assert Posting.objects.get(id=posting.id).state == "rejected"
    assert Step.objects.get(id=step.id).state == "failed"


def test_a_step_whose_write_may_stand_is_not_sent_again(order):
    """The posting's own case is decided first; neither a retry nor a discard passes it by."""
    now = _start(order)
    posting = Posting.objects.get(operation="tax.quote")
    step = Step.objects.get(name="tax")
    late = open_case(order.legal_entity, "workflows.step", step.id, now,
                     code="dependency_overdue")  # fmt: skip
    move_posting(posting.id, "send", "post", "park", error_code="amount_incident")
    settle_postings([posting.id], now=now)
    mara = make_principal("Mara", "operations")
    with pytest.raises(RemedyError, match="Decide that on its exception first"):
        apply_remedy(late.id, "retry", params={}, principal=mara, now=now)
    batch = start_batch([late.id], "retry", principal=mara, idempotency_key="k",
                        expected_count=1, now=now)  # fmt: skip
    run_batch(batch.id, now=now)
    item = batch.items.get()
    assert (item.outcome, "Decide that on its exception first" in item.detail) == ("skipped", True)
    assert Posting.objects.get(id=posting.id).state == "parked"
    assert Step.objects.get(id=step.id).state == "failed"


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
