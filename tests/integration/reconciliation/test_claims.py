"""A comparison whose worker died is made again; one that was taken over writes nothing."""

import datetime as dt

import pytest
from django.db.models.functions import Now

from apps.events.models import Event
from apps.events.selectors import count_transitions_without_actor
from apps.jobs.models import StaleWrite
from apps.reconciliation.models import Match, ReconciliationRun
from apps.reconciliation.services import execute_pending, execute_run, request_run
from apps.reconciliation.services import run as running
from apps.reconciliation.services.claim import claim_run, recover_runs
from apps.reconciliation.types import SUBJECT_SIDES

LATER = dt.timedelta(minutes=30)


@pytest.fixture
def run(world):
    for side in SUBJECT_SIDES["invoice"]:
        world.shown(side, "INV-1", "100.00", "8.25")
    return request_run("invoice", requested_by=world.actor, now=world.now)


def _killed(run, world):
    """A worker took the run and was gone before its transaction was committed."""
    epoch = claim_run(run.id, world.now)
    run = ReconciliationRun.objects.get(id=run.id)
    assert (run.state, run.epoch) == ("running", epoch)
    return epoch


def _let_the_claim_end():
    ReconciliationRun.objects.filter(state="running").update(
        due_at=Now() - dt.timedelta(seconds=1)
    )


def test_a_run_of_a_killed_worker_is_made_again_when_its_claim_ends(world, run):
    _killed(run, world)
    assert execute_pending(clock=lambda: world.now + LATER) == 0  # the claim still holds
    run = ReconciliationRun.objects.get(id=run.id)
    assert run.state == "running"

    _let_the_claim_end()
    assert execute_pending(clock=lambda: world.now + LATER) == 1
    run = ReconciliationRun.objects.get(id=run.id)
    assert (run.state, run.epoch) == ("completed", 2)
    assert Match.objects.filter(run=run).count() == 1
    told = Event.objects.filter(aggregate_id=run.id).order_by("id").values_list("type", flat=True)
    assert list(told) == [
        "reconciliation_run.requested",
        "reconciliation_run.handed_back",
        "reconciliation_run.completed",
    ]
    assert count_transitions_without_actor() == 0


def test_a_frozen_worker_that_was_overtaken_writes_nothing(world, run, monkeypatch):
    """The first worker wakes up after another one made the run: its result is refused."""
    inner = running._execute

    def frozen(row, epoch, now):
        monkeypatch.setattr(running, "_execute", inner)
        _let_the_claim_end()
        assert recover_runs(now=world.now) == [run.id]
        assert execute_run(run.id, now=world.now + LATER)
        inner(row, epoch, now)

    monkeypatch.setattr(running, "_execute", frozen)
    assert not execute_run(run.id, now=world.now + LATER)
    # The test's connection made both: what the frozen one undid went with its transaction.
    assert StaleWrite.objects.get(place="reconciliation.run").count == 1


def test_a_late_failure_of_an_overtaken_worker_changes_nothing(world, run, monkeypatch):
    inner = running._execute

    def frozen(row, epoch, now):
        monkeypatch.setattr(running, "_execute", inner)
        raise RuntimeError("the connection is gone")

    def fail(run_id, epoch, message, now):
        monkeypatch.setattr(running, "_fail", late)
        _let_the_claim_end()
        recover_runs(now=world.now)
        assert execute_run(run_id, now=world.now + LATER)
        late(run_id, epoch, message, now)

    late = running._fail
    monkeypatch.setattr(running, "_execute", frozen)
    monkeypatch.setattr(running, "_fail", fail)
    assert not execute_run(run.id, now=world.now + LATER)
    run = ReconciliationRun.objects.get(id=run.id)
    assert (run.state, run.epoch, run.error_message) == ("completed", 2, "")
    assert StaleWrite.objects.get(place="reconciliation.run").count == 1


def test_a_run_that_ends_every_worker_fails_with_words(world, run):
    for epoch in range(1, 6):
        assert _killed(run, world) == epoch
        _let_the_claim_end()
        recover_runs(now=world.now)
    run = ReconciliationRun.objects.get(id=run.id)
    assert (run.state, run.epoch) == ("failed", 5)
    assert "run it again" in run.error_message
    assert execute_pending(clock=lambda: world.now) == 0


def test_two_workers_make_a_run_once(world, run):
    assert claim_run(run.id, world.now) == 1
    assert claim_run(run.id, world.now) is None
    assert not execute_run(run.id, now=world.now)
