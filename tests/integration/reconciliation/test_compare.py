"""What agrees matches, what differs is a typed break, and the totals add up."""

import datetime as dt
from decimal import Decimal

import pytest

from apps.core.principal import Principal
from apps.events.selectors import count_transitions_without_actor
from apps.exceptions.models import ExceptionCase
from apps.reconciliation import selectors
from apps.reconciliation.models import Break, Match, ReconciliationRun
from apps.reconciliation.services import request_run, run_reconciliation, write_off_breaks
from apps.reconciliation.types import SUBJECT_SIDES

LATER = dt.timedelta(minutes=30)


def _compare(world, at=None, subject="invoice"):
    run = run_reconciliation(subject, requested_by=world.actor, now=at or world.now + LATER)
    assert run.state == "completed", run.error_message
    return run


def _everyone(world):
    return Principal(world.actor)


def _totals(run, world):
    codes = {world.us.id: "US01", world.de.id: "DE01"}
    return selectors.totals_of_run(run, _everyone(world), entity_codes=codes)


def assert_adds_up(run, world):
    """The planter's own arithmetic: parts are the gaps, sides differ by the gaps."""
    for total in _totals(run, world):
        amounts = [side.amount for side in total.sides]
        for n, gap in enumerate(total.gaps):
            assert gap == amounts[n] - amounts[n + 1]
            assert sum((part.gaps[n] for part in total.parts), Decimal(0)) == gap


def test_what_agrees_to_the_minor_unit_is_a_match(world):
    for side in SUBJECT_SIDES["invoice"]:
        world.shown(side, "INV-1", "100.00", "8.25")
    run = _compare(world)
    match = Match.objects.get()
    assert (match.match_key, match.amount, match.state) == (
        "INV-1",
        Decimal("108.25"),
        "confirmed",
    )
    assert not Break.objects.exists()
    assert _totals(run, world)[0].matched == 1
    assert_adds_up(run, world)


@pytest.mark.parametrize(
    ("billing", "erp", "type_", "variance"),
    [
        (("100", "8"), None, "missing_in_erp", "108"),
        (None, ("100", "8"), "missing_in_billing", "-108"),
        (("100", "8"), ("99.99", "8"), "amount_differs", "0.01"),
        (("100", "8"), ("100", "8.01"), "tax_differs", "-0.01"),
        (("100", "8"), ("101", "7"), "tax_differs", "1"),
    ],
)
def test_each_difference_has_its_type(world, billing, erp, type_, variance):
    for side, shown in (("billing", billing), ("erp", erp)):
        if shown:
            world.shown(side, "INV-1", *shown)
    run = _compare(world)
    found = Break.objects.get()
    assert (found.type, found.variance, found.state) == (type_, Decimal(variance), "open")
    assert_adds_up(run, world)


def test_a_break_names_the_customer_not_the_ledgers_number_of_it(world):
    world.shown("billing", "INV-1", "100", customer_name="Aozora Kikai KK")
    world.shown("erp", "INV-1", "90", customer_name="C-1033")
    world.shown("erp", "INV-2", "90", customer_name="C-1034")
    _compare(world)
    assert [b.customer for b in Break.objects.order_by("match_key")] == [
        "Aozora Kikai KK",
        "C-1034",
    ]


def test_two_documents_under_one_number_are_a_duplicate(world):
    world.shown("billing", "INV-1", "100")
    world.shown("erp", "INV-1", "100")
    world.shown("erp", "INV-1", "100", external_id="erp-again")
    run = _compare(world)
    found = Break.objects.get()
    assert (found.type, found.variance, len(found.document_ids["erp"])) == ("duplicate", -100, 2)
    assert_adds_up(run, world)


def test_the_same_invoice_in_another_entity_is_a_break_and_both_totals_add_up(world):
    world.shown("billing", "INV-1", "100")
    world.shown("erp", "INV-1", "100", entity="DE01")
    run = _compare(world)
    assert Break.objects.get().type == "entity_differs"
    gaps = {total.entity: total.gaps for total in _totals(run, world)}
    assert gaps == {"US01": (Decimal(100),), "DE01": (Decimal(-100),)}
    assert_adds_up(run, world)


def test_currencies_are_never_netted(world):
    for side in ("billing", "erp"):
        world.shown(side, "INV-1", "100")
        world.shown(side, "INV-J", "3600000" if side == "billing" else "3599999", currency="JPY")
    run = _compare(world)
    assert [(t.currency, t.gaps) for t in _totals(run, world)] == [("JPY", (1,)), ("USD", (0,))]
    assert_adds_up(run, world)


def test_void_documents_are_owed_by_nobody(world):
    world.shown("billing", "INV-1", "100", status="void")
    world.shown("billing", "INV-2", "100", status="draft")
    run = _compare(world)
    assert (_totals(run, world), Break.objects.count()) == ([], 0)


def test_a_break_is_one_row_through_all_runs_and_corrected_when_it_is_gone(world):
    world.shown("billing", "INV-1", "100")
    first = _compare(world)
    world.shown("billing", "INV-1", "120", source_version=2)
    second = _compare(world, world.now + LATER * 2)
    found = Break.objects.get()
    assert (found.first_run_id, found.last_run_id, found.variance) == (first.id, second.id, 120)
    world.shown("erp", "INV-1", "120")
    third = _compare(world, world.now + LATER * 3)
    found = Break.objects.get()
    assert (found.state, found.last_run_id) == ("corrected", third.id)
    assert found.closed_reason == f"The sides agree since run {third.number}"


def test_a_match_that_stands_is_not_written_again_and_is_undone_when_it_breaks(world):
    for side in ("billing", "erp"):
        world.shown(side, "INV-1", "100")
    first = _compare(world)
    _compare(world, world.now + LATER * 2)
    assert Match.objects.get().run_id == first.id
    world.shown("erp", "INV-1", "90", source_version=2)
    _compare(world, world.now + LATER * 3)
    assert Match.objects.get().state == "undone"
    assert Break.objects.get().variance == 10


def test_an_unexplained_break_becomes_one_case_after_its_grace_and_leaves_with_it(world):
    world.shown("billing", "INV-1", "100")
    _compare(world)
    assert not ExceptionCase.objects.exists()
    _compare(world, world.now + LATER * 2)
    _compare(world, world.now + LATER * 3)
    case = ExceptionCase.objects.get()
    assert (case.code, case.amount_at_risk, case.lane) == ("reconciliation_break", 100, "erp")
    assert Break.objects.get().case_id == case.id
    assert "Billing 100" in case.explanation
    world.shown("erp", "INV-1", "100")
    _compare(world, world.now + LATER * 4)
    assert ExceptionCase.objects.get().state == "resolved"


def test_a_write_off_stands_until_the_amounts_change(world):
    world.shown("billing", "INV-1", "100.02")
    world.shown("erp", "INV-1", "100.00")
    _compare(world)
    write_off_breaks(
        [Break.objects.get().id], reason="Rounding, agreed with audit", by="Fiona",
        actor=world.actor, now=world.now,
    )  # fmt: skip
    run = _compare(world, world.now + LATER * 2)
    assert Break.objects.count() == 1
    assert _totals(run, world)[0].parts[0].state == "written_off"
    assert_adds_up(run, world)
    world.shown("erp", "INV-1", "90.00", source_version=2)
    _compare(world, world.now + LATER * 3)
    assert sorted(Break.objects.values_list("state", flat=True)) == ["open", "written_off"]


def test_a_side_that_was_not_read_to_the_end_fails_the_run_and_says_so(world):
    erp = world.connections["erp"]
    erp.snapshot_cursors = {}
    erp.save()
    world.shown("billing", "INV-1", "100")
    run = run_reconciliation("invoice", requested_by=world.actor, now=world.now)
    assert (run.state, Break.objects.count()) == ("failed", 0)
    assert "Netsuite was not read to the end yet" in run.error_message


def test_asking_twice_makes_one_run(world, bells):
    first = request_run("invoice", requested_by=world.actor, now=world.now)
    assert request_run("invoice", requested_by=world.actor, now=world.now).id == first.id
    assert ReconciliationRun.objects.count() == 1
    with pytest.raises(ValueError, match="choose contract or invoice"):
        request_run("payments", requested_by=world.actor, now=world.now)


def test_every_state_change_has_an_author(world):
    world.shown("billing", "INV-1", "100")
    _compare(world)
    assert count_transitions_without_actor() == 0


def test_a_thousand_keys_take_the_queries_of_ten(world, django_assert_max_num_queries):
    for n in range(200):
        for side in ("billing", "erp"):
            world.shown(side, f"INV-{n}", str(100 + n if side == "billing" or n % 10 else 1))
    with django_assert_max_num_queries(70):
        _compare(world)
    assert (Match.objects.count(), Break.objects.count()) == (180, 20)


def test_others_see_only_their_entities(world):
    world.shown("billing", "INV-1", "100")
    world.shown("billing", "INV-2", "100", entity="DE01")
    run = _compare(world)
    german = Principal(world.actor, entity_ids=frozenset([world.de.id]))
    codes = {world.us.id: "US01", world.de.id: "DE01"}
    totals = selectors.totals_of_run(run, german, entity_codes=codes)
    assert [t.entity for t in totals] == ["DE01"]
    assert [b.match_key for b in selectors.list_breaks(german, "invoice")] == ["INV-2"]
    buckets = {b.key: b.count for b in selectors.list_buckets(german, "invoice")}
    assert buckets == {"unexplained": 1, "missing_in_erp": 1, "matched": 0}
