"""A break names what explains it; contracts are compared on three sides."""

import datetime as dt
import uuid
from decimal import Decimal

from apps.canonical.models import InvoiceLine, Product
from apps.core.principal import Principal
from apps.exceptions.services import close_for_subjects, open_cases
from apps.exceptions.types import CaseDraft
from apps.reconciliation import selectors
from apps.reconciliation.models import Break, Match
from apps.reconciliation.services import (
    review_breaks,
    run_reconciliation,
    unexplained_breaks,
)
from tests.integration.reconciliation.world import START

LATER = dt.timedelta(minutes=30)


def _compare(world, subject="invoice"):
    run = run_reconciliation(subject, requested_by=world.actor, now=world.now + LATER)
    assert run.state == "completed", run.error_message
    return Break.objects.filter(subject=subject).first()


def _case(world, subject_type, subject_id, **more):
    draft = CaseDraft(
        code="unmapped_value", title="Tax code has no mapping", explanation="Map it.",
        flow="invoice_posting", lane="erp", subject_type=subject_type, subject_id=subject_id,
        fingerprint=("unmapped_value",), legal_entity_id=world.us.id, **more,
    )  # fmt: skip
    return open_cases([draft], actor=world.actor, now=world.now)[0]


def test_a_rejected_posting_explains_what_is_missing_in_the_erp(world):
    invoice = world.invoice(world.contract(), "INV-1", "100")
    world.shown("billing", "INV-1", "100")
    posting = world.posting(invoice, "invoice", "invoice.create", state="rejected")
    case = _case(world, "postings.posting", posting.id)
    found = _compare(world)
    assert (found.state, found.type, found.case_id) == ("explained", "missing_in_erp", case.id)
    assert (found.posting_id, found.journey_id) == (posting.id, invoice.journey_id)
    assert found.explanation == f"{case.reference}: Tax code has no mapping"


def test_a_posting_on_its_way_is_timing(world):
    invoice = world.invoice(world.contract(), "INV-1", "100")
    world.shown("billing", "INV-1", "100")
    posting = world.posting(invoice, "invoice", "invoice.create")
    found = _compare(world)
    assert (found.state, found.type, found.posting_id) == ("explained", "timing", posting.id)
    assert found.explanation == "INV-1 is on its way to the ERP"


def test_an_explanation_that_is_over_leaves_the_break_open(world):
    invoice = world.invoice(world.contract(), "INV-1", "100")
    world.shown("billing", "INV-1", "100")
    posting = world.posting(invoice, "invoice", "invoice.create")
    _compare(world)
    posting.send()
    posting.save()
    posting.reject()
    posting.save()
    review_breaks(now=world.now + LATER)
    found = Break.objects.get()
    assert (found.state, found.type) == ("open", "missing_in_erp")


def test_a_case_elsewhere_in_the_journey_does_not_explain_a_wrong_amount(world):
    contract = world.contract()
    world.invoice(contract, "INV-1", "100")
    world.shown("billing", "INV-1", "100")
    world.shown("erp", "INV-1", "90")
    _case(world, "workflows.step", uuid.uuid4(), journey_id=contract.journey_id)
    found = _compare(world)
    assert (found.state, found.type, found.variance) == ("open", "amount_differs", 10)


def test_a_refused_acceptance_explains_the_contract_that_cpq_made_of_it(world):
    """The hub has no record of the contract; only the case of the refused quote names it."""
    world.shown("cpq", "00000109", "24000")
    case = _case(world, "ingestion.event", uuid.uuid4(), facts={"contract": "00000109"})
    found = _compare(world, "contract")
    assert (found.state, found.type, found.case_id) == ("explained", "missing_in_billing", case.id)
    assert unexplained_breaks(now=world.now + LATER) == []


def test_what_the_grace_still_excuses_counts_as_unexplained_at_its_end(world):
    world.shown("billing", "INV-1", "100")
    run_reconciliation("invoice", requested_by=world.actor, now=world.now)
    assert unexplained_breaks(now=world.now) == []
    assert len(unexplained_breaks(now=world.now + LATER)) == 1
    assert Break.objects.get().state == "explained"


def test_a_document_seen_a_moment_ago_is_timing(world):
    world.shown("billing", "INV-1", "100")
    run_reconciliation(
        "invoice", requested_by=world.actor, now=world.now + dt.timedelta(minutes=1)
    )
    assert (Break.objects.get().type, Break.objects.get().state) == ("timing", "explained")


def _billed(world, contract, number, net, product=None, start=START):
    """An invoice of one line that both platforms show."""
    invoice = world.invoice(contract, number, net)
    InvoiceLine.objects.create(
        invoice=invoice, position=0, product=product or world.product, quantity=1, tax=5,
        unit_price=Decimal(net), net=Decimal(net), service_start=start, service_end=START,
        is_proration=number == "INV-P",
    )  # fmt: skip
    for side in ("billing", "erp"):
        world.shown(side, number, net, "5")


def test_a_contract_agrees_on_three_sides_by_net(world):
    contract = world.contract(net="1000")
    world.shown("cpq", contract.number, "1000")
    _billed(world, contract, "INV-1", "700")
    _billed(world, contract, "INV-2", "300")
    _compare(world, "contract")
    match = Match.objects.get()
    assert (match.match_key, match.amount) == (contract.number, 1000)
    assert {side: len(ids) for side, ids in match.document_ids.items()} == {
        "cpq": 1, "billing": 2, "erp": 2,
    }  # fmt: skip


def test_an_amendment_in_mid_period_accounts_for_its_difference(world):
    contract = world.contract(net="1000")
    world.amendment(contract, "200", "193.42")
    world.shown("cpq", contract.number, "1200")
    _billed(world, contract, "INV-1", "1000")
    _billed(world, contract, "INV-P", "193.42")
    found = _compare(world, "contract")
    assert (found.type, found.state, found.variance) == ("timing", "explained", Decimal("6.58"))
    assert found.explanation == ("00000100-A1 is billed for part of a period (353 of 365 days)")


def test_a_difference_beside_the_amendment_is_a_break(world):
    contract = world.contract(net="1000")
    world.amendment(contract, "200", "193.42")
    world.shown("cpq", contract.number, "1200")
    _billed(world, contract, "INV-1", "1000")
    _billed(world, contract, "INV-P", "193.43")
    found = _compare(world, "contract")
    assert (found.type, found.state) == ("amount_differs", "open")


def test_a_later_period_is_timing(world):
    contract = world.contract(net="1000")
    world.shown("cpq", contract.number, "1000")
    _billed(world, contract, "INV-1", "1000")
    _billed(world, contract, "INV-2", "1000", start=START + dt.timedelta(days=30))
    found = _compare(world, "contract")
    assert (found.type, found.state, found.variance) == ("timing", "explained", -1000)
    assert found.explanation == "INV-2 bills 1000 for a period from 2026-12-20"


def test_what_cpq_never_sold_is_explained_by_its_invoice_and_stays(world):
    contract = world.contract(net="1000")
    training = Product.objects.create(sku="TRAIN", name="Training", charge_type="one_time")
    world.shown("cpq", contract.number, "1000")
    _billed(world, contract, "INV-1", "1000")
    _billed(world, contract, "INV-2", "300", product=training)
    found = _compare(world, "contract")
    assert (found.type, found.state, found.variance) == ("amount_differs", "explained", -300)
    assert found.explanation == "INV-2 bills 300 that CPQ never sold"


def test_documents_stand_side_by_side_with_their_lines(world):
    contract = world.contract()
    world.invoice(contract, "INV-1", "100")
    world.shown("cpq", contract.number, "1000")
    world.shown("billing", "INV-1", "100")
    world.shown("erp", "INV-1", "90")
    documents = selectors.documents_of_break(_compare(world), Principal(world.actor))
    assert [(d.side, d.number, int(d.net)) for d in documents] == [
        ("cpq", contract.number, 1000), ("billing", "INV-1", 100), ("erp", "INV-1", 90),
    ]  # fmt: skip
    assert documents[1].lines[0].item == "SEAT-PRO"


def test_the_grace_runs_anew_when_an_explanation_is_over(world):
    """A case was resolved; until the platforms were read again nobody is asked."""
    contract = world.contract()
    world.invoice(contract, "INV-1", "100")
    world.shown("billing", "INV-1", "100")
    world.shown("erp", "INV-1", "90")
    case = _case(world, "workflows.step", uuid.uuid4(), document="INV-1")
    assert _compare(world).case_id == case.id
    over = world.now + LATER
    close_for_subjects(
        [(case.subject_type, case.subject_id)], reason="Mended", actor=world.actor, now=over
    )
    review_breaks(now=over)
    found = Break.objects.get()
    assert (found.state, found.case_id, found.unexplained_at) == ("open", None, over)
    review_breaks(now=over + dt.timedelta(minutes=3))
    assert Break.objects.get().case_id is not None
