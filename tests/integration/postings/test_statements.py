"""What a lane asks of the database: few statements a posting, fewer while it waits."""

import uuid
from itertools import pairwise

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.connectors.lanes.run import LaneRun, run_lane
from apps.postings.models import Posting
from apps.postings.selectors import _DUE_STATES
from tests.builders.ledger import install, make_due
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity():
    return make_entities()["DE01"]


def test_a_run_of_one_posting_asks_little(monkeypatch, entity):
    """With both ends of each transaction, which are savepoints here."""
    _, _, connection = install(monkeypatch)
    make_due(connection, entity)
    run_lane(str(connection.id), worker="w")  # notes that the platform is well
    make_due(connection, entity)
    with CaptureQueriesContext(database) as seen:
        run_lane(str(connection.id), worker="w")
    assert set(Posting.objects.values_list("state", flat=True)) == {"confirmed"}
    assert len(seen) <= 42


def test_a_call_that_is_out_costs_little(monkeypatch, entity):
    vendor, _, connection = install(monkeypatch)
    make_due(connection, entity)
    vendor.delay = 1.0
    marks, opens = [], LaneRun._opens

    def noted(run):
        marks.append(len(seen))
        return opens(run)

    monkeypatch.setattr(LaneRun, "_opens", noted)
    with CaptureQueriesContext(database) as seen:
        run_lane(str(connection.id), worker="w")
    rounds = sorted(later - before for before, later in pairwise(marks))
    assert len(rounds) >= 8
    assert rounds[len(rounds) // 2] <= 4


def test_what_is_due_is_found_by_an_index():
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {_DUE_STATES}", [uuid.uuid4(), ["unknown", "sending"]])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "posting_due" in plan or "posting_head" in plan
