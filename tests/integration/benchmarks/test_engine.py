"""What the benchmark of the engine measures is what it says: each step in a commit of its own."""

import pytest
from django.db import connection, transaction

from apps.core.clock import utc_now
from apps.core.fsm import transition_set
from apps.workflows import registry
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.services import advance_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ours(monkeypatch):
    """The benchmark's part for the hub, its workflow known for this test alone."""
    from benchmarks.engine import hub, ours

    key = (hub.NAME, 1)
    registry._definitions.pop(key, None)
    monkeypatch.setitem(registry._definitions, key, hub.DEFINITION)
    ours._entity.cache_clear()
    return ours


def _shares_no_commit(ours, prefix, runs):
    with connection.cursor() as cursor:
        cursor.execute(ours._COMMITS, [runs, f"{prefix}%"])
        return cursor.fetchone()[0]


def test_the_production_path_passes_the_benchmarks_own_check(ours):
    prefix = ours._start(12)
    assert not _shares_no_commit(ours, prefix, 12)
    assert advance_due(now=utc_now()) == 12
    assert _shares_no_commit(ours, prefix, 12)
    assert not _shares_no_commit(ours, prefix, 13)
    outputs = Step.objects.filter(name="confirm").values_list("output", flat=True)
    assert list(outputs) == [{"net": "148210.00"}] * 12


def test_an_engine_that_committed_two_steps_at_once_would_be_found(ours):
    prefix = ours._start(1)
    run = WorkflowRun.objects.get()
    with transaction.atomic():
        transition_set(Step, "succeed", list(run.steps.values_list("id", flat=True)))
        transition_set(WorkflowRun, "run", [run.id])
        transition_set(WorkflowRun, "complete", [run.id])
    assert not _shares_no_commit(ours, prefix, 1)
