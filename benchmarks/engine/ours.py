"""The hub's engine: runs started through its service, advanced by its own Celery workers.

The worker hears the queues that the product's does, and the product's scheduler runs beside it:
what every step tells of is read by all subscribers, and the next round begins when they have.
"""

import contextlib
import functools
import os
import sys
import time
import uuid
from collections.abc import Iterator

import psycopg

from apps.core.clock import utc_now
from apps.core.ids import uuid7
from apps.organisation.models import Currency, LegalEntity
from apps.workflows.services import start_runs
from apps.workflows.types import RunDraft
from benchmarks.engine import hub
from benchmarks.engine.children import GLANCE, LOOK, await_true, running
from q2c.stack.processes import PROCESSES

WORKER = ("worker", "--without-mingle", "--without-gossip", "-l", "warning")
CHUNK = 500
SWEEP = ({"workers": 1}, {"workers": 2}, {"workers": 3})
QUICK_SWEEP = ({"workers": 2},)
_IDLE = "SELECT NOT EXISTS (SELECT FROM workflows_workflowrun WHERE due_at IS NOT NULL)"
# No subscriber's cursor lies before an event.
_READ = """
SELECT EXISTS (SELECT FROM events_cursor) AND NOT EXISTS (
    SELECT FROM events_cursor c CROSS JOIN LATERAL (
        SELECT e.id FROM events_event e WHERE (e.xid, e.id) > (c.xid::text::xid8, c.last_id)
        ORDER BY e.xid, e.id LIMIT 1) AS unread)
"""
_DONE = "SELECT state = 'completed' FROM workflows_workflowrun WHERE id = %s"
# Of each run the transactions in which its steps succeeded: as many as it has steps.
_COMMITS = """
SELECT count(*) = %s AND bool_and(commits = 4) FROM (
    SELECT count(DISTINCT t.xid::text) AS commits FROM workflows_workflowrun r
    JOIN workflows_step s ON s.run_id = r.id
    JOIN events_transition t ON t.row_id = s.id::text AND t.to_state = 'succeeded'
    WHERE r.key LIKE %s AND r.state = 'completed' GROUP BY r.id
) AS runs
"""


@contextlib.contextmanager
def up(setting: dict[str, int]) -> Iterator[psycopg.Connection]:
    """The product's worker with ``workers`` children, and its scheduler, under the app role."""
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.engine.hub", *WORKER,
               "-Q", "default,workflows", "-c", str(setting["workers"]),
               "-n", "bench-hub"]  # fmt: skip
    scheduler = next(spec for spec in PROCESSES if spec.name == "scheduler")
    with (
        running("hub", command, {}),
        running("scheduler", [sys.executable, *scheduler.arguments.split()], {}),
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database,
    ):
        while not hub.app.control.ping(timeout=0.5):
            pass
        for _ in range(3):
            _start(100)
            await_true(database, _IDLE, (), GLANCE)
            await_true(database, _READ, (), GLANCE)
        yield database


def throughput(database: psycopg.Connection, runs: int) -> float:
    """Durable steps per second, from the first start until the last run has ended. Its events are
    read meanwhile by the same worker; the round goes on until all are, and tells when."""
    begun = time.perf_counter()
    prefix = _start(runs)
    await_true(database, _IDLE, (), GLANCE)
    ended = time.perf_counter() - begun
    await_true(database, _READ, (), GLANCE)
    seconds = time.perf_counter() - begun
    print(
        f"  hub: runs ended at {4 * runs / ended:.0f} steps/s; their events were read "
        f"{seconds - ended:.2f} s later, {4 * runs / seconds:.0f} steps/s with that"
    )
    row = database.execute(_COMMITS, (runs, f"{prefix}%")).fetchone()
    if row is None or not row[0]:
        raise RuntimeError("a run is not complete, or two of its steps shared a transaction")
    return 4 * runs / ended


def latencies(database: psycopg.Connection, runs: int) -> list[float]:
    """Seconds from start to finished of one run at a time."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        run_id = start_runs([_draft(uuid.uuid4().hex)], now=utc_now())[0].id
        await_true(database, _DONE, (run_id,), LOOK)
        taken.append(time.perf_counter() - begun)
        time.sleep(0.03)
    return taken


def _start(runs: int) -> str:
    prefix = uuid.uuid4().hex[:12]
    for first in range(0, runs, CHUNK):
        numbers = range(first, min(first + CHUNK, runs))
        start_runs([_draft(f"{prefix}-{number}") for number in numbers], now=utc_now())
    return prefix


def _draft(key: str) -> RunDraft:
    subject = uuid7()
    return RunDraft(hub.NAME, key, "order", subject, f"ORD-{key}", f"contract:{subject}",
                    _entity(), uuid7())  # fmt: skip


@functools.cache
def _entity() -> uuid.UUID:
    currency, _ = Currency.objects.get_or_create(code="EUR", defaults={"name": "Euro"})
    fields = {"name": "Benchmark", "country": "DE", "functional_currency": currency,
              "time_zone": "Europe/Berlin"}  # fmt: skip
    return LegalEntity.objects.get_or_create(code="BENCH", defaults=fields)[0].id
