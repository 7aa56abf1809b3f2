"""A sample of all single faults that still meets every failpoint, step and kind of answer.

The whole enumeration runs before a milestone: ``python -m benchmarks.faults.layer_a``.
"""

import pytest

from apps.core.failpoints import CATALOGUE
from apps.workflows.registry import all_definitions
from benchmarks.faults.layer_a.cases import STARTS, STRIKES, Deals
from benchmarks.faults.layer_a.enumeration import FOR_CI, Plan, plan_all, run_plan, sample
from benchmarks.faults.layer_a.hub import Hub
from benchmarks.faults.layer_a.platforms import FAULTS
from benchmarks.faults.layer_a.world import ENTITIES

SEED = 2026

pytestmark = pytest.mark.campaign


@pytest.mark.timeout(900)
def test_no_single_fault_of_a_sample_breaks_an_invariant(hub: Hub, deals: Deals) -> None:
    chosen = sample(plan_all(hub, deals, struck=FOR_CI), SEED)
    _assert_it_meets_everything(chosen)
    assert [(name, breach) for name, breach in run_plan(hub, deals, chosen) if breach] == []


def _assert_it_meets_everything(plan: Plan) -> None:
    places = [case.place for case in plan.cases if case.place]
    points = {place.point for place in places} | {"batch.between_items"}
    steps = {(c.workflow, step) for c in plan.cases if c.place for step in c.place.steps}
    declared = {(d.name, s.name) for d in all_definitions() if d.name in STARTS for s in d.steps}
    assert points == set(CATALOGUE)
    assert steps == declared
    assert {case.strike for case in plan.cases} >= set(STRIKES)
    assert {answer.kind for answer in plan.answers} == set(FAULTS)
    assert {answer.entity for answer in plan.answers} == set(ENTITIES)
    assert {d.name for d in all_definitions()} == set(STARTS)
