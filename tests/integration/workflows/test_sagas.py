"""What a run wrote is taken back in reverse order, once in effect, at the platforms themselves."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from apps.canonical.models import Order
from apps.core.clock import utc_now
from apps.core.errors import ConfigurationError
from apps.events.models import Event
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import open_cases_of
from apps.postings.models import Posting
from apps.postings.services import submit_postings
from apps.resolutions.services.retry import retry_cases
from apps.workflows.errors import RunActionError
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.services import (
    cancel_runs,
    compensate_due,
    compensate_runs,
    replay_runs,
    undo,
)
from apps.workflows.services.claim import BACK, claim_runs
from tests.integration.workflows.hub import TESTS, Hub

WHY = "The customer withdrew within the term."


def compensate(run: WorkflowRun) -> None:
    compensate_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())


def stopped_before_booking(hub: Hub) -> WorkflowRun:
    """An order with a subscription and an entitlement that is not confirmed yet."""
    hub.answers = False
    run = hub.order()
    hub.settle()
    assert hub.states(run)["provisioned"] == "waiting"
    return run


def reverses(run: WorkflowRun) -> list[Posting]:
    """The postings that undo, in the order in which they were made."""
    mine = Posting.objects.filter(run_id=run.id, purpose__startswith="reverse:")
    return list(mine.order_by("sequence"))


def told(run: WorkflowRun, kind: str) -> list[Event]:
    return list(Event.objects.filter(type=kind, aggregate_id=run.id).order_by("id"))


def test_an_order_is_taken_back_in_reverse_order(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    compensate(run)
    hub.settle()
    run = hub.run(run)
    assert run.state == "compensated"
    assert run.state_hash
    back = reverses(run)
    assert [(p.operation, p.state) for p in back] == [
        ("entitlement.revoke", "confirmed"),
        ("subscription.cancel", "confirmed"),
    ]
    assert back[0].updated_at <= back[1].created_at  # the second began when the first was done
    contract = hub.contract(run)
    assert len(hub.ledger("provisioning", "revoked", contract)) == 1
    assert len(hub.ledger("stripe", "canceled", contract)) == 2  # annual and monthly part
    issued = hub.ledger("stripe", "issued", contract)
    assert len(issued) == 2
    assert _gross(issued) == _gross(hub.ledger("stripe", "finalized", contract)) > 0
    assert hub.states(run) == {
        "check_references": "succeeded", "customer_in_billing": "succeeded", "tax": "succeeded",
        "customer_in_erp": "succeeded", "subscription": "compensated",
        "provision": "compensated", "provisioned": "skipped", "book": "skipped",
        "tell_cpq": "skipped",
    }  # fmt: skip
    assert Order.objects.get(id=run.subject_id).booked_at is None


def _gross(lines):
    return sum(Decimal(line["gross"]) for line in lines)


def test_each_step_back_is_an_event_of_its_own(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    compensate(run)
    hub.settle()
    names = {step.id: step.name for step in Step.objects.filter(run=run)}
    back = Event.objects.filter(aggregate_id__in=list(names), type__startswith="step.compens")
    assert [(e.type, names[e.aggregate_id]) for e in back.order_by("id")] == [
        ("step.compensating", "provision"),
        ("step.compensated", "provision"),
        ("step.compensating", "subscription"),
        ("step.compensated", "subscription"),
    ]
    [asked] = told(run, "run.compensating")
    assert (asked.actor_label, asked.data["reason"]) == ("tests", WHY)
    assert len(told(run, "run.compensated")) == 1


def test_a_posted_invoice_is_credited_and_its_revenue_reversed(hub: Hub) -> None:
    order = hub.order()
    hub.settle()
    untouched = _balance(hub.platforms["netsuite"].control("GET", "trial-balance")["rows"])
    run = hub.invoice(Order.objects.get(id=order.subject_id))
    hub.settle()
    assert hub.run(run).state == "completed"
    posted = _balance(hub.platforms["netsuite"].control("GET", "trial-balance")["rows"])
    compensate(run)
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert [(p.operation, p.purpose, p.state) for p in reverses(run)] == [
        ("journal.create", "reverse:revenue_in_erp", "confirmed"),
        ("invoice.credit", "reverse:invoice_in_erp", "confirmed"),
    ]
    after = _balance(hub.platforms["netsuite"].control("GET", "trial-balance")["rows"])
    # The ledger may hold what other tests posted; this invoice must have left nothing.
    accounts = after.keys() | untouched.keys()
    assert {a: after.get(a, 0) for a in accounts} == {a: untouched.get(a, 0) for a in accounts}
    assert posted != after
    memo = reverses(run)[1]
    [line] = hub.platforms["netsuite"].ledger(memo.reference)
    assert (line["object"], line["gross"]) == ("creditMemo", "22080.45")


def _balance(rows):
    """What each account of the German entity stands at, in major units: undone is nought."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["subsidiary"] == "DE01":
            moved = Decimal(str(row["debit"])) - Decimal(str(row["credit"]))
            sums[row["account"]] = sums.get(row["account"], Decimal(0)) + moved
    return sums


def test_past_the_point_of_no_return_it_only_goes_forward(hub: Hub) -> None:
    run = hub.order(source="salesforce")  # who does not know the quote, so telling it fails
    hub.settle()
    assert hub.states(run)["tell_cpq"] == "failed"
    with pytest.raises(RunActionError, match="Book was the point of no return"):
        compensate(run)
    assert hub.run(run).state == "failed"
    assert reverses(run) == []


def test_a_completed_order_is_past_it_as_well(hub: Hub) -> None:
    run = hub.order()
    hub.settle()
    assert hub.run(run).state == "completed"
    with pytest.raises(RunActionError, match="point of no return"):
        compensate(run)


def test_a_run_of_which_something_stands_is_not_cancelled(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    with pytest.raises(RunActionError, match="subscription and provision wrote stands"):
        cancel_runs([run.id], reason=WHY, actor=TESTS, now=utc_now())
    assert hub.run(run).state == "waiting"


def test_compensating_twice_is_refused_and_changes_nothing(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    compensate(run)
    with pytest.raises(RunActionError, match="compensating and cannot"):
        compensate(run)
    hub.settle()
    with pytest.raises(RunActionError, match="compensated and cannot"):
        compensate(run)
    assert len(reverses(run)) == 2


def test_a_lost_answer_takes_it_back_once(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    hub.platforms["stripe"].fault(
        "apply_then_timeout", path_regex="/v1/subscriptions/", method="DELETE"
    )
    hub.platforms["stripe"].fault("apply_then_500", path_regex="/v1/credit_notes", method="POST")
    compensate(run)
    hub.settle()
    assert hub.run(run).state == "compensated"
    contract = hub.contract(run)
    assert len(hub.ledger("stripe", "canceled", contract)) == 2
    assert len(hub.ledger("stripe", "issued", contract)) == 2


def test_a_crash_between_two_undos_loses_and_doubles_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, end_leases: Callable[[], None]
) -> None:
    """Whatever ends the engine's transaction between compensations, the next look goes on."""
    run = stopped_before_booking(hub)
    compensate(run)
    for name in ("_post", "_compensated", "_finish"):
        with monkeypatch.context() as broken:
            broken.setattr(undo, name, _crash)
            with pytest.raises(Crash):
                hub.settle()
        end_leases()
        hub.turn()
    hub.settle()
    assert hub.run(run).state == "compensated"
    contract = hub.contract(run)
    assert len(hub.ledger("provisioning", "revoked", contract)) == 1
    assert len(hub.ledger("stripe", "canceled", contract)) == 2
    assert len(reverses(run)) == 2


class Crash(BaseException):
    """The process ended here."""


def _crash(*args: object, **kwargs: object) -> None:
    raise Crash


def test_a_refused_undo_is_one_case_and_is_tried_again(hub: Hub) -> None:
    order = hub.order()
    hub.settle()
    run = hub.invoice(Order.objects.get(id=order.subject_id))
    hub.settle()
    erp = hub.platforms["netsuite"]
    erp.control("POST", "periods", {"month": "2026-11", "closed": True})
    try:
        compensate(run)
        hub.settle()
    finally:
        erp.control("POST", "periods", {"month": "2026-11", "closed": False})
    [refused] = reverses(run)
    assert (refused.state, refused.error_code) == ("rejected", "period_closed")
    step = Step.objects.get(run=run, name="revenue_in_erp")
    assert (step.state, step.error_code) == ("compensating", "period_closed")
    assert hub.run(run).state == "compensating"
    [case] = ExceptionCase.objects.all()
    assert (case.subject_type, case.subject_id) == ("postings.posting", refused.id)
    assert retry_cases([case], actor=TESTS, now=utc_now()) == {case.id}
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert [p.state for p in reverses(run)] == ["confirmed", "confirmed"]
    assert Step.objects.get(id=step.id).error_code == ""


def _refuse_to_submit(monkeypatch: pytest.MonkeyPatch, bad: WorkflowRun, error: Exception) -> None:
    """Whatever is submitted together with a write of this run fails."""

    def fail(drafts: Any, **more: Any) -> Any:
        if any(draft.run_id == bad.id for draft in drafts):
            raise error
        return submit_postings(drafts, **more)

    monkeypatch.setattr(undo, "submit_postings", fail)


def test_an_undo_that_cannot_be_submitted_stops_its_run_alone(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = stopped_before_booking(hub), stopped_before_booking(hub)
    compensate(bad)
    compensate(good)
    gone = ConfigurationError("no_connection", "No active connection has the role. Add one.")
    with monkeypatch.context() as broken:
        _refuse_to_submit(broken, bad, gone)
        hub.settle()
    assert hub.run(good).state == "compensated"
    row, step = hub.run(bad), Step.objects.get(run=bad, name="provision")
    assert (row.state, row.due_at, row.claimed_until, row.attempts) == (
        "compensating", None, None, 0,
    )  # fmt: skip
    assert (step.state, step.error_code, step.undo_hash) == ("compensating", "no_connection", "")
    [case] = ExceptionCase.objects.all()
    assert (case.subject_id, case.code, case.explanation) == (
        step.id, "no_connection", "No active connection has the role. Add one.",
    )  # fmt: skip
    assert retry_cases([case], actor=TESTS, now=utc_now()) == {case.id}
    hub.settle()
    assert hub.run(bad).state == "compensated"
    assert not ExceptionCase.objects.get().is_open
    assert replay_runs([bad.id, good.id]).identical == 2


def test_a_fault_of_our_own_rests_and_is_told_at_the_fifth_dispatch(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = stopped_before_booking(hub), stopped_before_booking(hub)
    compensate(bad)
    compensate(good)
    with monkeypatch.context() as broken:
        _refuse_to_submit(broken, bad, ValueError("not today"))
        assert compensate_due(now=utc_now()) == 2
        assert hub.run(bad).attempts == 1
        assert hub.states(good)["provision"] == "compensating"
        for _ in range(4):
            assert not ExceptionCase.objects.exists()
            WorkflowRun.objects.filter(id=bad.id).update(due_at=utc_now())
            assert compensate_due(now=utc_now()) == 1
    case = ExceptionCase.objects.get()
    assert (case.code, case.facts["detail"]) == ("processing_fault", "not today")
    retry_cases([case], actor=TESTS, now=utc_now())
    hub.settle()
    assert {hub.run(run).state for run in (bad, good)} == {"compensated"}


def test_a_run_that_ends_its_workers_on_the_way_back_is_given_up(
    hub: Hub, end_leases: Callable[[], None]
) -> None:
    run = stopped_before_booking(hub)
    compensate(run)
    for _ in range(5):
        assert len(claim_runs(now=utc_now(), states=BACK)) == 1  # and the worker is gone
        end_leases()
    assert compensate_due(now=utc_now()) == 1
    case = ExceptionCase.objects.get()
    assert (case.code, case.subject_type) == ("processing_fault", "workflows.step")
    assert compensate_due(now=utc_now()) == 0
    retry_cases([case], actor=TESTS, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "compensated"


def test_an_end_that_fails_is_told_and_retried(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    run = hub.order(Department__c=None)  # nothing was written, so that only the end is left
    hub.settle()
    compensate(run)
    with monkeypatch.context() as broken:
        broken.setattr(undo, "state_hash", _fault)
        for _ in range(5):
            WorkflowRun.objects.update(due_at=utc_now())
            assert compensate_due(now=utc_now()) == 1
    [case] = [c for c in ExceptionCase.objects.all() if c.code == "processing_fault"]
    assert hub.run(run).state == "compensating"
    retry_cases([case], actor=TESTS, now=utc_now())
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert not ExceptionCase.objects.get(id=case.id).is_open


def _fault(*args: object) -> str:
    raise ValueError("a fault of ours")


def test_nothing_was_written_so_it_is_over_at_once(hub: Hub) -> None:
    run = hub.order(Department__c=None)  # the first check refuses
    hub.settle()
    assert hub.states(run)["check_references"] == "failed"
    compensate(run)
    hub.settle()
    assert hub.run(run).state == "compensated"
    assert Posting.objects.filter(run_id=run.id).count() == 0
    assert open_cases_of([("workflows.step", s.id) for s in Step.objects.filter(run=run)]) == {}


def test_a_compensated_run_replays_identically(hub: Hub) -> None:
    run = stopped_before_booking(hub)
    compensate(run)
    hub.settle()
    report = replay_runs([run.id])
    assert (report.identical, report.different) == (1, {})
