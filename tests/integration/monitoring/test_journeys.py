"""A journey is built from its rows, found by any id, and says what must come next."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.canonical.models import Order
from apps.core.fsm import transition_set
from apps.core.principal import Principal
from apps.events.models import Event
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import close_cases, open_cases, snooze_cases
from apps.exceptions.types import CaseDraft
from apps.mappings.models import ExternalReference, Mapping, MappingVersion, Translation
from apps.monitoring.flow import flow_bands, since_last_visit
from apps.monitoring.journey import journey_view
from apps.monitoring.models import Journey, JourneyItem, ReferenceIndex
from apps.monitoring.selectors import (
    find_by_reference,
    find_journey,
    journeys_amiss,
    list_journeys,
    list_overdue,
)
from apps.monitoring.services import note_customer_changes, rebuild_changed, rebuild_journeys
from apps.monitoring.subscribers import hear
from apps.reconciliation.models import Break, ReconciliationRun
from apps.workflows.models import Step, WorkflowRun

MINUTE = dt.timedelta(minutes=1)


def _rebuild(world, *records):
    rebuild_journeys([record.journey_id for record in records], now=world.now)


def _everyone(world):
    return Principal(world.actor)


def _provisioned(world, contract):
    """The step that provisioning's answer has closed."""
    order = Order.objects.get(contract=contract)
    with acting(world.actor):
        run = WorkflowRun.objects.create(
            definition="order_activation", definition_version=1, key=str(order.id),
            subject_type="order", subject_id=order.id, label=order.number,
            ordering_key=f"contract:{contract.id}", journey_id=contract.journey_id,
            legal_entity=world.us, amount=order.net, currency="USD",
        )  # fmt: skip
        step = Step.objects.create(run=run, position=0, name="provisioned", lane="provisioning",
                                   kind="retriable")  # fmt: skip
        step.succeed()
        step.save()
    return run


def _complete(world):
    """A contract whose every document stands."""
    contract = world.contract()
    order = Order.objects.get(contract=contract)
    order.booked_at = world.now
    order.save()
    _provisioned(world, contract)
    world.posting(order, "order", "subscription.create", "billing", state="confirmed",
                  external_id="sub_77", result={"items": [{"item_id": "si_9"}]})  # fmt: skip
    invoice = world.invoice(contract, "INV-1", "1000", "82.50")
    world.posting(invoice, "invoice", "invoice.create", state="confirmed", external_id="4711")
    _rebuild(world, contract)
    return contract


def _case(world, journey_id, lane="erp", amount="1082.50", title="No mapping", **facts):
    draft = CaseDraft(
        code="unmapped_value", title=title, explanation="Map it.", flow="invoice_posting",
        lane=lane, subject_type="postings.posting", subject_id=uuid.uuid4(),
        fingerprint=("x",), legal_entity_id=world.us.id, journey_id=journey_id,
        amount_at_risk=Decimal(amount), currency="USD", facts=facts,
    )  # fmt: skip
    return open_cases([draft], actor=world.actor, now=world.now)[0]


def test_events_ring_a_worker_that_builds_each_journey_once(world, bells):
    contract = world.contract()
    event = NewEvent("order.created", "order", uuid.uuid4(), journey_id=contract.journey_id)
    with acting(world.actor):
        publish_events([event] * 3, actor=world.actor, now=world.now)
    hear(list(Event.objects.all()), world.now)
    assert not Journey.objects.exists()
    assert rebuild_changed(now=world.now) == 1
    assert (Journey.objects.get().rev, rebuild_changed(now=world.now)) == (1, 0)


def test_what_did_not_change_is_not_written_again(world):
    contract = _complete(world)
    written = dict(JourneyItem.objects.values_list("key", "updated_at"))
    references = set(ReferenceIndex.objects.values_list("id", "label"))
    invoice = world.invoice(contract, "INV-2", "500", "41.25")
    _rebuild(world, contract)
    after = dict(JourneyItem.objects.values_list("key", "updated_at"))
    assert after[invoice.number] > written["INV-1"] == after["INV-1"]
    assert references <= set(ReferenceIndex.objects.values_list("id", "label"))


def test_a_customer_with_a_new_name_is_found_by_it(world):
    contract = _complete(world)
    world.customer.name = "Candela & Co"
    world.customer.save()
    note_customer_changes([world.customer.id])
    rebuild_changed(now=world.now)
    assert find_journey("candela & co", _everyone(world)) == Journey.objects.get(
        id=contract.journey_id
    )
    assert find_by_reference("lumen & co", _everyone(world)) == []


def test_a_new_order_expects_what_must_follow(world):
    contract = world.contract()
    _rebuild(world, contract)
    journey = Journey.objects.get()
    assert (journey.key, journey.customer, journey.amount) == (
        "ORD-00000100", "Lumen & Co", 1000,
    )  # fmt: skip
    assert (journey.next_step, journey.next_due_at) == (
        "Subscription in billing", world.now + 15 * MINUTE,
    )  # fmt: skip
    expected = JourneyItem.objects.filter(state="expected").order_by("due_at")
    assert [(i.title, i.due_at - world.now) for i in expected] == [
        ("Subscription in billing", 15 * MINUTE),
        ("Entitlements live", 30 * MINUTE),
        ("Order booked", 45 * MINUTE),
        ("First invoice", 60 * MINUTE),
        ("First invoice in the ledger", 120 * MINUTE),
    ]


def test_an_order_that_was_taken_back_expects_nothing_more(world):
    contract = world.contract()
    order = Order.objects.get(contract=contract)
    run = _provisioned(world, contract)
    world.posting(order, "order", "entitlement.revoke", "billing", state="confirmed")
    with acting(world.actor):
        for move in ("run", "compensate", "finish_compensation"):
            assert transition_set(WorkflowRun, move, [run.id]) == [run.id]
    _rebuild(world, contract)
    journey = Journey.objects.get()
    assert (journey.is_done, journey.next_step) == (True, "")
    items = {item.kind: (item.state, item.note) for item in JourneyItem.objects.all()}
    assert items["order"] == ("done", "taken back")
    assert items["entitlement.revoke"][0] == "done"


def test_a_journey_is_done_when_nothing_is_expected(world):
    _complete(world)
    journey = Journey.objects.get()
    assert (journey.is_done, journey.next_step, journey.next_due_at) == (True, "", None)
    assert set(journey.milestones) == {
        "accepted", "booked", "subscribed", "invoiced", "in_ledger",
    }  # fmt: skip


def test_building_again_changes_nothing_but_the_revision(world):
    contract = _complete(world)
    before = sorted(JourneyItem.objects.values_list("id", flat=True))
    _rebuild(world, contract)
    assert sorted(JourneyItem.objects.values_list("id", flat=True)) == before
    assert Journey.objects.get().rev == 2


def test_a_journey_without_rows_goes(world):
    orphan = uuid.uuid4()
    Journey.objects.create(id=orphan, key="Q-1", opened_at=world.now, changed_at=world.now)
    rebuild_journeys([orphan], now=world.now)
    assert not Journey.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["ORD-00000100", "ord-00000100", "Q-00000100", "00000100", "INV-1", "sub_77", "si_9", "4711",
     "800xx0000004C92", "  Lumen  & Co ", "C-1"],
)  # fmt: skip
def test_any_id_of_any_system_finds_it(world, text):
    contract = _complete(world)
    ExternalReference.objects.create(
        connection_id=world.connections["cpq"].id, object_type="Contract",
        external_id="800xx0000004C92", record_type="contract", record_id=contract.id,
    )  # fmt: skip
    _rebuild(world, contract)
    found = find_journey(text, _everyone(world))
    assert found is not None
    assert found.id == contract.journey_id


def test_our_reference_inside_vendor_documents_finds_it(world):
    contract = world.contract()
    posting = world.posting(contract, "order", "subscription.create", "billing")
    _rebuild(world, contract)
    found = find_by_reference(posting.reference.lower(), _everyone(world))
    assert [(f.kind, f.exact, f.journey_key) for f in found] == [
        ("reference", True, "ORD-00000100")
    ]


def test_without_an_exact_match_the_beginning_finds_it(world):
    _complete(world)
    assert {f.kind for f in find_by_reference("ORD-0000", _everyone(world))} == {"order"}
    inside = find_by_reference("umen", _everyone(world))
    assert [(f.kind, f.exact) for f in inside] == [("customer_name", False)]
    assert find_by_reference("nothing like it", _everyone(world)) == []
    assert find_by_reference("u", _everyone(world)) == []


def test_other_entities_find_nothing(world):
    _complete(world)
    german = Principal(world.actor, entity_ids=frozenset([world.de.id]))
    assert find_by_reference("INV-1", german) == []
    assert find_journey("ORD-00000100", german) is None
    assert list(list_journeys(german, now=world.now)) == []


def test_a_case_makes_a_journey_stuck_until_it_is_closed(world):
    contract = _complete(world)
    case = _case(world, contract.journey_id)
    _rebuild(world, contract)
    journey = Journey.objects.get()
    assert (journey.is_stuck, journey.stuck_lane, journey.is_done) == (True, "erp", False)
    assert find_journey(case.reference, _everyone(world)) == journey
    close_cases([case.id], resolution="retry", note="", actor=world.actor, now=world.now)
    _rebuild(world, contract)
    assert Journey.objects.get().is_done


def test_a_case_before_any_record_has_a_journey_of_its_own(world):
    journey_id = uuid.uuid4()
    case = _case(world, journey_id, lane="cpq", document="Q-9")
    rebuild_journeys([journey_id], now=world.now)
    journey = Journey.objects.get()
    assert (journey.key, journey.is_stuck, journey.amount) == (
        case.document or case.reference, True, Decimal("1082.50"),
    )  # fmt: skip


def test_what_is_late_is_overdue(world):
    contract = world.contract()
    _rebuild(world, contract)
    everyone, later = _everyone(world), world.now + 16 * MINUTE
    assert not list_overdue(everyone, now=world.now).exists()
    assert [j.id for j in list_overdue(everyone, now=later)] == [contract.journey_id]


def test_the_page_of_a_journey(world):
    contract = _complete(world)
    world.amendment(contract, "200", "193.42")
    _rebuild(world, contract)
    view = journey_view(contract.journey_id, _everyone(world), now=world.now + 61 * MINUTE)
    assert (view.key, view.entity, view.generations) == (
        "ORD-00000100",
        "US01",
        ("Original", "A1"),
    )
    assert view.last_day == dt.date(2027, 11, 19)
    rows = {row.step: [(c.amount, c.state) for c in row.cells] for row in view.amounts}
    assert rows == {
        "Quote": [(1000, "present"), (200, "present")],
        "Order": [(1000, "present"), (Decimal("193.42"), "present")],
        "Invoice": [(1000, "present"), (Decimal("193.42"), "missing")],
        "Tax": [(Decimal("82.50"), "present"), (None, "missing")],
        "Ledger": [(1000, "present"), (Decimal("193.42"), "expected")],
    }
    assert view.verdict.kind == "late"
    assert view.proration == ("A1: 353 of 365 days",)
    assert [lane.key for lane in view.lanes] == ["cpq", "billing", "tax", "provisioning", "erp"]
    assert {item.generation for item in view.items} == {0, 1}


def test_a_mapping_that_lacked_a_row_comes_first_until_it_has_one(world):
    contract, subject = _complete(world), uuid.uuid4()
    items, prices = (
        MappingVersion.objects.create(
            mapping=Mapping.objects.create(code=code, name=name, kind="value"),
            number=1, author_label="test",
        )
        for code, name in (("z.items", "Items"), ("a.prices", "Prices"))
    )  # fmt: skip

    def translate(version, missing):
        Translation.objects.create(
            mapping_version=version, subject_type="t", subject_id=subject, input={},
            input_hash="", journey_id=contract.journey_id, missing=missing,
        )  # fmt: skip

    def told():
        view = journey_view(contract.journey_id, _everyone(world), now=world.now)
        return [(v.name, v.lacks, v.note.split(",")[0]) for v in view.versions]

    translate(prices, [])
    translate(items, [{"mapping": "z.items", "key": "EDGE"}])
    assert told() == [("Items", True, "no row for EDGE"), ("Prices", False, "used once")]
    translate(items, [])
    assert told() == [("Prices", False, "used once"), ("Items", False, "used 2 times")]


def test_the_page_takes_a_fixed_number_of_queries(world, django_assert_max_num_queries):
    contract = _complete(world)
    with django_assert_max_num_queries(24):
        journey_view(contract.journey_id, _everyone(world), now=world.now)


def test_many_journeys_take_the_queries_of_one(world, django_assert_max_num_queries):
    contracts = [world.contract(f"{n:08d}") for n in range(40)]
    with django_assert_max_num_queries(32):
        _rebuild(world, *contracts)
    assert Journey.objects.count() == 40


def test_stuck_counts_add_up_to_the_open_cases(world):
    contract = _complete(world)
    with acting(world.actor):
        run = WorkflowRun.objects.get()
        Step.objects.create(run=run, position=1, name="tell_cpq", lane="cpq", kind="retriable")
    _case(world, contract.journey_id, "erp")
    _case(world, contract.journey_id, "erp", title="Period closed")
    _case(world, contract.journey_id, "cpq", amount="100")
    flow = flow_bands(_everyone(world), now=world.now)
    bands = {(b.source, b.target): (b.count, b.stuck) for b in flow.bands}
    assert bands["tax", "erp"] == (2, 2)
    assert bands["cpq", "billing"] == (1, 1)
    assert bands["provisioning", "erp"] == (1, 0)
    assert (flow.stuck, flow.count, flow.currency) == (3, 4, "USD")
    assert flow.stuck_amount == Decimal("2265.00")
    erp = next(b for b in flow.bands if (b.source, b.target) == ("tax", "erp"))
    assert sorted(erp.reasons) == ["No mapping", "Period closed"]


def test_a_run_that_a_case_holds_up_counts_once(world):
    contract = _complete(world)
    run = WorkflowRun.objects.get()
    _case(world, contract.journey_id, run=str(run.id))
    assert flow_bands(_everyone(world), now=world.now).count == 1


def test_the_terms_of_the_equation_add_up(world):
    old = [_case(world, None) for _ in range(3)]
    since = world.now + MINUTE
    world.now = since + MINUTE
    new = [_case(world, None) for _ in range(2)]
    for case, credit in ((old[0], "Mara"), (old[1], "Mara, approved by Ada"), (new[0], "")):
        close_cases(
            [case.id], resolution="retry", note="", actor=world.actor, now=world.now, credit=credit
        )
    snooze_cases([new[1].id], until=since + 9 * MINUTE, actor=world.actor, now=world.now)
    terms = since_last_visit(_everyone(world), since=since, now=world.now)
    assert (terms.before, terms.opened, terms.closed_by_people, terms.cleared_themselves) == (
        3, 2, 2, 1,
    )  # fmt: skip
    assert (terms.snoozed, terms.now) == (1, 1)
    assert terms.amount_now == Decimal("1082.50")


def test_references_of_a_closed_case_are_gone(world):
    contract = _complete(world)
    case = _case(world, contract.journey_id)
    _rebuild(world, contract)
    close_cases([case.id], resolution="retry", note="", actor=world.actor, now=world.now)
    _rebuild(world, contract)
    assert not ReferenceIndex.objects.filter(kind="case").exists()


def _with_break(world, contract, variance="0", **values):
    """The contract's journey with one standing break."""
    run = ReconciliationRun.objects.create(subject="contract", requested_by_label="test")
    found = Break.objects.create(
        first_run=run, last_run=run, subject="contract", match_key=contract.number,
        currency="USD", type=values.pop("type"), variance=Decimal(variance),
        legal_entity=world.us, journey_id=contract.journey_id, opened_at=world.now,
        unexplained_at=world.now, **values,
    )  # fmt: skip
    return found, journey_view(contract.journey_id, _everyone(world), now=world.now)


def test_a_journey_whose_amounts_differ_is_not_complete(world):
    contract = _complete(world)
    everyone = _everyone(world)
    assert journey_view(contract.journey_id, everyone, now=world.now).verdict.kind == "done"
    assert list_journeys(everyone, now=world.now, view="done").count() == 1
    found, view = _with_break(
        world, contract, "50", type="amount_differs",
        explanation="The amounts differ, and nothing open in the hub explains it",
    )  # fmt: skip
    assert view.verdict.kind == "differs"
    assert view.verdict.text == (
        f"Amount differs, BRK-{found.number}: The amounts differ, and nothing open in the hub "
        f"explains it"
    )
    assert (view.links[0].kind, view.links[0].is_open) == ("break", True)
    assert list_journeys(everyone, now=world.now, view="done").count() == 0
    assert journeys_amiss([contract.journey_id]) == {contract.journey_id}


def test_the_proration_of_an_amendment_alarms_nobody(world):
    contract = _complete(world)
    with acting(world.actor):
        found, _ = _with_break(
            world, contract, "6.58", type="timing", explanation="A1 is billed for part of a period"
        )
        transition_set(Break, "explain", [found.id])
    view = journey_view(contract.journey_id, _everyone(world), now=world.now)
    assert view.verdict.kind == "done"
    assert [x.is_open for x in view.links if x.kind == "break"] == [False]
    assert list_journeys(_everyone(world), now=world.now, view="done").count() == 1
