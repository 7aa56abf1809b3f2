"""Two comparisons of one subject at the same time, by two workers."""

import threading

import pytest
from django.db import OperationalError, connection

from apps.reconciliation.models import Break, ReconciliationRun
from apps.reconciliation.services import execute_run, request_run
from apps.reconciliation.services import run as running
from apps.reconciliation.services.breaks import keep_breaks

WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'
"""


def _request(world):
    return request_run("invoice", requested_by=world.actor, now=world.now).id


def _in_a_thread(run_id, now):
    def execute():
        try:
            execute_run(run_id, now=now)
        finally:
            connection.close()

    thread = threading.Thread(target=execute)
    thread.start()
    return thread


def _wait_until_somebody_waits(wanted):
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(WAITS)
            if cursor.fetchone()[0] or wanted():
                return
            threading.Event().wait(0.05)


@pytest.mark.django_db(transaction=True)
def test_a_comparison_that_had_read_less_never_writes_last(world, monkeypatch):
    """The first has read before the ledger showed the invoice, and is slow to write."""
    world.shown("billing", "INV-1", "100.00")
    first = _request(world)
    has_read, go_on = threading.Event(), threading.Event()

    def slow(run, found, **more):
        if run.id == first:
            has_read.set()
            assert go_on.wait(20)
        keep_breaks(run, found, **more)

    monkeypatch.setattr(running, "keep_breaks", slow)
    older = _in_a_thread(first, world.now)
    assert has_read.wait(20)
    world.shown("erp", "INV-1", "100.00")
    newer = _in_a_thread(_request(world), world.now)
    _wait_until_somebody_waits(lambda: not newer.is_alive())
    go_on.set()
    older.join()
    newer.join()
    assert set(ReconciliationRun.objects.values_list("state", flat=True)) == {"completed"}
    assert list(Break.objects.values_list("state", flat=True)) == ["corrected"]


def test_what_the_server_interrupts_is_made_again_and_not_failed(world, monkeypatch):
    world.shown("billing", "INV-1", "100.00")
    run_id = _request(world)

    def interrupted(subject):
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as patch:
        patch.setattr(running, "hold_subject", interrupted)
        execute_run(run_id, now=world.now)
    assert ReconciliationRun.objects.get(id=run_id).state == "running"  # until its claim ends
