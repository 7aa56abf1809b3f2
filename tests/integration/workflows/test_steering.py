"""Pause, resume, cancel, reset and skip: what is sent, what is not, and what is refused."""

import uuid

import pytest

from apps.approvals.errors import ApprovalError
from apps.approvals.services import approve, reject
from apps.canonical.models import Order
from apps.core.clock import utc_now
from apps.core.principal import Actor, Principal
from apps.events.models import Event
from apps.exceptions.selectors import open_cases_of
from apps.postings.models import Posting
from apps.workflows.errors import RunActionError
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.services import (
    cancel_runs,
    compensate_runs,
    pause_runs,
    propose_compensation,
    propose_skip,
    request_compensation,
    reset_to_step,
    resume_runs,
)
from tests.integration.workflows.hub import TESTS, Hub

WHY = "The platform is being moved tonight."


def sent(run: WorkflowRun) -> set[str]:
    mine = Posting.objects.filter(run_id=run.id).exclude(state="queued")
    return set(mine.values_list("operation", flat=True))


def reasons(run: WorkflowRun, kind: str) -> list[tuple[str, str]]:
    events = Event.objects.filter(type=kind, aggregate_id=run.id).order_by("id")
    return [(event.actor_label, event.data["reason"]) for event in events]


def pause(run: WorkflowRun) -> None:
    pause_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())


def resume(run: WorkflowRun) -> None:
    resume_runs([run.id], reason="Moved.", actor=TESTS, now=utc_now())


def test_a_paused_run_sends_nothing_new(hub: Hub) -> None:
    run = hub.order()
    hub.engine()  # the first writes are queued and none is sent
    queued = Posting.objects.filter(run_id=run.id)
    assert set(queued.values_list("state", flat=True)) == {"queued"}
    pause(run)
    hub.settle()
    assert sent(run) == set()
    assert hub.run(run).state == "paused"
    resume(run)
    hub.settle()
    assert hub.run(run).state == "completed"
    assert reasons(run, "run.paused") == [("tests", WHY)]
    assert reasons(run, "run.resumed") == [("tests", "Moved.")]


def test_what_was_sent_is_confirmed_while_the_run_is_paused(hub: Hub) -> None:
    run = hub.order()
    hub.engine()
    hub.lanes()  # the customers and the tax are written
    pause(run)
    hub.settle()
    states = hub.states(run)
    assert (states["customer_in_billing"], states["tax"]) == ("succeeded", "succeeded")
    assert states["subscription"] == "pending"
    assert "subscription.create" not in sent(run)
    resume(run)
    hub.settle()
    assert hub.run(run).state == "completed"


def test_pausing_says_what_it_cannot_hold(hub: Hub) -> None:
    run = hub.order()
    pause(run)
    with pytest.raises(RunActionError, match="paused already"):
        pause(run)
    resume(run)
    with pytest.raises(RunActionError, match="not paused"):
        resume(run)
    hub.settle()
    with pytest.raises(RunActionError, match="nothing to hold"):
        pause(run)


def test_a_shared_write_is_not_held_for_the_other_run(hub: Hub) -> None:
    """Two orders of one customer wait for one customer record."""
    first = hub.order()
    hub.engine()
    shared = Posting.objects.filter(run_id=first.id, operation="customer.upsert").first()
    other = WorkflowRun.objects.create(
        definition="order_activation", definition_version=1, key=uuid.uuid4().hex,
        subject_type="order", subject_id=uuid.uuid4(), label="other", ordering_key="x",
        legal_entity=first.legal_entity,
    )  # fmt: skip
    Step.objects.create(
        run=other, position=0, name="customer_in_billing", lane="billing", kind="",
        posting_id=shared.id,
    )  # fmt: skip
    pause(first)
    assert not Posting.objects.get(id=shared.id).is_held
    assert Posting.objects.filter(run_id=first.id, is_held=True).exists()


def test_cancelling_gives_up_what_was_not_sent(hub: Hub) -> None:
    run = hub.order()
    hub.engine()
    cancel_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "cancelled"
    mine = Posting.objects.filter(run_id=run.id)
    assert set(mine.values_list("state", flat=True)) == {"cancelled"}
    assert set(hub.states(run).values()) == {"succeeded", "skipped"}  # nothing expires later
    assert reasons(run, "run.cancelled") == [("tests", WHY)]
    with pytest.raises(RunActionError, match="is cancelled"):
        cancel_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())


def test_going_back_does_not_write_again_what_is_confirmed(hub: Hub) -> None:
    hub.answers = False
    run = hub.order()
    hub.settle()
    before = {p.id: p.attempts for p in Posting.objects.filter(run_id=run.id)}
    moved = reset_to_step(
        run.id, "subscription", reason="The order was corrected.", actor=TESTS, now=utc_now()
    )
    names = set(Step.objects.filter(id__in=moved).values_list("name", flat=True))
    assert names == {"subscription", "provision", "provisioned"}  # what was reached behind it
    hub.answers = True
    hub.settle()
    assert hub.run(run).state == "completed"
    assert {p.id: p.attempts for p in Posting.objects.filter(run_id=run.id)} == before
    assert len(hub.ledger("stripe", "created", hub.contract(run))) == 2  # one a part, as before
    assert reasons(run, "run.reset") == [("tests", "The order was corrected.")]


def test_going_back_is_refused_where_nothing_was_reached(hub: Hub) -> None:
    run = hub.order()
    for step, words in (("book", "not been reached"), ("nonsense", "no such step")):
        with pytest.raises(RunActionError, match=words):
            reset_to_step(run.id, step, reason=WHY, actor=TESTS, now=utc_now())


def failed_at_the_end(hub: Hub) -> WorkflowRun:
    """An order that is booked, but of which Salesforce could not be told."""
    run = hub.order(source="salesforce")
    hub.settle()
    assert hub.states(run)["tell_cpq"] == "failed"
    return run


def test_a_failed_step_is_skipped_by_two_people(hub: Hub) -> None:
    run = failed_at_the_end(hub)
    posting = Posting.objects.get(run_id=run.id, operation="quote.write_back")
    assert open_cases_of([("postings.posting", posting.id)])
    maker, checker = hub.principal("mara"), hub.principal("ana")
    asked = propose_skip(
        run.id, "tell_cpq", reason="The quote was deleted there.", principal=maker, now=utc_now()
    )
    assert hub.states(run)["tell_cpq"] == "failed"
    with pytest.raises(ApprovalError, match="Another person"):
        approve(asked.id, principal=maker, seen_hash=asked.content_hash, now=utc_now())
    approve(asked.id, principal=checker, seen_hash=asked.content_hash, now=utc_now())
    hub.settle()
    assert hub.states(run)["tell_cpq"] == "skipped"
    assert hub.run(run).state == "completed"
    assert Posting.objects.get(id=posting.id).state == "cancelled"
    assert open_cases_of([("postings.posting", posting.id)]) == {}
    [(label, reason)] = reasons(run, "run.step_skipped")
    assert label == checker.actor.label
    assert reason == f"{asked.code}: The quote was deleted there."


def test_a_rejected_request_skips_nothing(hub: Hub) -> None:
    run = failed_at_the_end(hub)
    asked = propose_skip(
        run.id, "tell_cpq", reason=WHY, principal=hub.principal("mara"), now=utc_now()
    )
    reject(asked.id, principal=hub.principal("ana"), note="Tell them by hand.", now=utc_now())
    hub.settle()
    assert hub.states(run)["tell_cpq"] == "failed"


def test_what_later_steps_need_is_not_skipped(hub: Hub) -> None:
    run = hub.order(Department__c=None)
    hub.settle()
    with pytest.raises(RunActionError, match="cannot be skipped"):
        propose_skip(
            run.id, "check_references", reason=WHY, principal=hub.principal("mara"),
            now=utc_now(),
        )  # fmt: skip


def test_compensation_is_asked_for_and_approved(hub: Hub) -> None:
    hub.answers = False
    run = hub.order()
    hub.settle()
    asked = propose_compensation(
        run.id, reason=WHY, principal=hub.principal("mara"), now=utc_now()
    )
    assert asked.snapshot["undoes"] == ["provision", "subscription"]
    assert hub.run(run).state == "waiting"
    checker = hub.principal("ana")
    approve(asked.id, principal=checker, seen_hash=asked.content_hash, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert reasons(run, "run.compensating") == [(checker.actor.label, f"{asked.code}: {WHY}")]


def test_a_run_that_moved_on_is_not_undone_by_an_old_approval(hub: Hub) -> None:
    hub.answers = False
    run = hub.order()
    hub.settle()
    asked = propose_compensation(
        run.id, reason=WHY, principal=hub.principal("mara"), now=utc_now()
    )
    hub.answers = True
    hub.settle()  # the entitlement came after all, and the order is booked
    assert hub.run(run).state == "completed"
    approve(asked.id, principal=hub.principal("ana"), seen_hash=asked.content_hash, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "completed"
    [(_, why)] = reasons(run, "run.decision_refused")
    assert "point of no return" in why


def test_a_program_asks_by_a_case_that_closes_with_the_run(hub: Hub) -> None:
    program = Principal(
        Actor("client", str(uuid.uuid4()), "billing-bot"), frozenset({"workflows:write"})
    )
    hub.answers = False
    run = hub.order()
    hub.settle()
    with pytest.raises(ApprovalError, match="A program cannot ask"):
        propose_compensation(run.id, reason=WHY, principal=program, now=utc_now())
    case = request_compensation(run.id, reason=WHY, actor=program.actor, now=utc_now())
    assert (case.code, case.subject_id) == ("compensation_requested", run.id)
    assert WHY in case.explanation
    compensate_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert open_cases_of([("workflows.run", run.id)]) == {}


@pytest.mark.parametrize("end", ["goes on", "is given up"])
def test_an_amendment_waits_for_the_one_before_it(hub: Hub, end: str) -> None:
    """What is told last stands at the platform: the first must not overwrite the second."""
    activation = hub.order()
    hub.settle()
    order = Order.objects.get(id=activation.subject_id)
    first = hub.amend(order)
    pause(first)
    second = hub.amend(order)
    hub.settle()
    waits = Step.objects.get(run_id=second.id, name="earlier_applied")
    assert (waits.state, waits.waits_for) == ("waiting", f"amendment_over:{first.subject_id}")
    assert not Posting.objects.filter(run_id=second.id).exists()
    if end == "goes on":
        resume(first)
    else:
        cancel_runs([first.id], reason="Signed by nobody.", actor=TESTS, now=utc_now())
    hub.settle()
    assert hub.run(first).state == ("completed" if end == "goes on" else "cancelled")
    # Without the first, billing prorates the second otherwise than its quote does: a person looks.
    assert hub.run(second).state == ("completed" if end == "goes on" else "failed")
    assert hub.states(second)["change_billing"] == "succeeded"
    told = Posting.objects.filter(operation="subscription.change").order_by("first_sent_at")
    runs = [first.id, second.id] if end == "goes on" else [second.id]
    assert list(told.values_list("run_id", flat=True)) == runs
