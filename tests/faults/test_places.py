"""Each failpoint stands where its description says: what others see of the database then, and
what the platform has, the first time that a contract passes it."""

from typing import Any

import psycopg
import pytest
from django.db import connection

from apps.core.failpoints import armed
from benchmarks.faults.layer_a.cases import Case, Deals, trace
from benchmarks.faults.layer_a.hub import Hub

SEEN = """
SELECT (SELECT count(*) FROM ingestion_delivery),
       (SELECT array_agg(DISTINCT state) FROM ingestion_inboundevent),
       (SELECT count(*) FROM workflows_workflowrun),
       (SELECT count(*) FROM workflows_step WHERE state = 'succeeded'),
       (SELECT array_agg(DISTINCT state) FROM postings_posting),
       (SELECT count(*) FROM events_cursor WHERE last_id > 0),
       (SELECT count(*) FROM events_seal)
"""
NAMES = ("deliveries", "inbound", "runs", "steps_done", "postings", "cursors", "seals")


class Onlooker:
    """Another session of the database, asked at the first pass of each place."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.seen = hub, dict[str, dict[str, Any]]()

    def __call__(self, point: str, _about: str) -> None:
        if point in self.seen:
            return
        given = connection.get_connection_params()
        names = ("dbname", "user", "password", "host", "port")
        conninfo = {name: given[name] for name in names if given.get(name)}
        with psycopg.connect(**conninfo) as session:
            row = session.execute(SEEN).fetchone()
        assert row is not None
        documents = len(self.hub.platforms.entries)
        self.seen[point] = {**dict(zip(NAMES, row, strict=True)), "documents": documents}


@pytest.fixture
def seen(hub: Hub, deals: Deals) -> dict[str, dict[str, Any]]:
    onlooker = Onlooker(hub)
    with armed(onlooker):
        hub.settle()  # what setting up the company told of is behind us
        onlooker.seen.clear()
        before = _seals()
        hub.post(deals.fresh("KEY1").quote())
        hub.drain()
        hub.settle()
    return {**onlooker.seen, "before": {"seals": before}}


def _seals() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_seal")
        return int(cursor.fetchone()[0])


def test_what_others_see_at_each_place(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["inbox.before_commit"]["deliveries"] == 0
    assert seen["inbox.after_commit_before_response"]["deliveries"] == 1
    assert seen["split.before_commit"]["inbound"] is None
    assert seen["process.after_claim"]["inbound"] == ["processing"]
    assert seen["process.before_commit"]["inbound"] == ["processing"]
    assert seen["process.after_commit"]["inbound"] == ["processed"]
    assert seen["dispatch.after_handle_before_commit"]["runs"] == 0
    assert seen["step.after_claim"]["runs"] == 1
    for place in ("step.after_claim", "step.before_commit"):
        assert (seen[place]["steps_done"], seen[place]["postings"]) == (0, None)
    assert seen["step.after_commit"]["steps_done"] == 1
    assert seen["saga.between"]["steps_done"] == 1
    assert seen["posting.after_intent"]["postings"] == ["queued"]
    sending = seen["posting.after_sending_before_send"]
    assert ("sending" in sending["postings"], sending["documents"]) == (True, 0)
    sent = seen["posting.after_send"]
    assert ("sending" in sent["postings"], sent["documents"]) == (True, 1)
    assert "confirmed" not in seen["posting.after_result_before_commit"]["postings"]
    assert "confirmed" in seen["posting.after_commit"]["postings"]
    assert seen["seal.before_commit"]["seals"] == seen["before"]["seals"]
    assert "relay.after_ring" in seen


@pytest.mark.campaign  # on a server of its own: a neighbour's load makes the inbox try twice
def test_a_workflow_passes_the_same_places_each_time(hub: Hub, deals: Deals) -> None:
    """A place is named by how often its point was passed before: a strike must find it again."""
    case = Case("order_activation", "KEY1", "none")
    assert trace(hub, deals, case) == trace(hub, deals, case)
