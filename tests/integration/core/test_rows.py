"""What goes in as columns comes out as it was, or is refused."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.db import DataError, transaction

from apps.core.fsm import transition_rows
from apps.core.ids import uuid7
from apps.core.rows import insert_rows
from apps.events.services import acting
from apps.workflows.models import Step, WorkflowRun
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db

ODD = 'a "quoted" back\\slash, {braces}, NULL, line\nbreak, ü'


def _columns(entity, *labels):
    return {
        "id": [uuid7() for _ in labels],
        "key": [f"k{place}" for place, _ in enumerate(labels)],
        "label": list(labels),
        "subject_id": [uuid.uuid4() for _ in labels],
        "legal_entity_id": [entity.id for _ in labels],
        "amount": [Decimal("1.0050") for _ in labels[1:]] + [None],
        "started_at": [dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC) for _ in labels],
    }


COMMON = {
    "definition": "d", "definition_version": 1, "subject_type": "thing", "ordering_key": "k",
}  # fmt: skip


def test_values_come_out_as_they_went_in(actor):
    columns = _columns(make_entities()["DE01"], ODD, "", "plain")
    with acting(actor):
        made = insert_rows(WorkflowRun, columns, common=COMMON)
    assert set(made) == set(columns["id"])
    found = list(WorkflowRun.objects.order_by("key"))
    for name, values in columns.items():
        assert [getattr(run, name) for run in found] == values
    assert {run.state for run in found} == {"pending"}
    assert all(run.created_at for run in found)


def test_a_row_that_stands_already_is_left_out(actor):
    columns = _columns(make_entities()["DE01"], "one", "two")
    with acting(actor):
        insert_rows(WorkflowRun, columns, common=COMMON)
        again = {**columns, "id": [uuid7(), uuid7()], "key": ["k0", "k9"]}
        assert insert_rows(WorkflowRun, again, common=COMMON, unique=True) == [again["id"][1]]


def test_a_text_that_is_too_long_is_refused_and_not_cut(actor):
    entity = make_entities()["DE01"]
    columns = _columns(entity, "one", "x" * 121)
    with pytest.raises(DataError, match="too long"), acting(actor):
        insert_rows(WorkflowRun, columns, common=COMMON)
    assert not WorkflowRun.objects.exists()
    with acting(actor):
        [run] = insert_rows(WorkflowRun, _columns(entity, "one"), common=COMMON)
        step = Step.objects.create(run_id=run, position=0, name="s", lane="hub", kind="retriable")
    with pytest.raises(DataError, match="too long"), transaction.atomic():
        transition_rows(Step, "fail", [(step.id, {"error_code": "x" * 61})])
    assert Step.objects.get().state == "pending"
