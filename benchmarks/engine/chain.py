"""A plain Celery chain of four tasks on the same broker and PostgreSQL."""

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator

import psycopg
from celery import chain

from benchmarks.engine import chain_app
from benchmarks.engine.children import GLANCE, LOOK, await_true, running

SWEEP = tuple(
    {"concurrency": concurrency, "prefetch": prefetch}
    for concurrency in (1, 2, 4, 8)
    for prefetch in (1, 8)
)
QUICK_SWEEP = ({"concurrency": 2, "prefetch": 4},)
_TABLE = """
DROP TABLE IF EXISTS bench_chain;
CREATE TABLE bench_chain (
    run text, step smallint, output jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, step))
"""
# By the primary key: a look must not cost what it measures.
_DONE = "SELECT count(*) = %s FROM bench_chain WHERE run >= %s AND run < %s AND step = 4"
_DONE_ONE = "SELECT EXISTS (SELECT FROM bench_chain WHERE run = %s AND step = 4)"


def prepare() -> None:
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        database.execute(_TABLE)


@contextlib.contextmanager
def up(setting: dict[str, int]) -> Iterator[psycopg.Connection]:
    """One worker with ``concurrency`` children that fetch ``prefetch`` messages each ahead."""
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.engine.chain_app", "worker",
               "--without-mingle", "--without-gossip", "-l", "warning", "-n", "bench-chain",
               "-c", str(setting["concurrency"])]  # fmt: skip
    environment = {"BENCH_PREFETCH": str(setting["prefetch"])}
    with (
        running("chain", command, environment),
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database,
    ):
        while not chain_app.app.control.ping(timeout=0.5):
            pass
        throughput(database, 50)
        yield database


def throughput(database: psycopg.Connection, runs: int) -> float:
    """Durable steps per second, from the first chain sent to the last row of the last one."""
    prefix = uuid.uuid4().hex[:12]
    begun = time.perf_counter()
    for number in range(runs):
        _send(f"{prefix}-{number}")
    await_true(database, _DONE, (runs, prefix, f"{prefix}~"), GLANCE)
    return 4 * runs / (time.perf_counter() - begun)


def latencies(database: psycopg.Connection, runs: int) -> list[float]:
    """Seconds from sent to the last row of one chain at a time."""
    taken = []
    for _ in range(runs):
        run = uuid.uuid4().hex
        begun = time.perf_counter()
        _send(run)
        await_true(database, _DONE_ONE, (run,), LOOK)
        taken.append(time.perf_counter() - begun)
        time.sleep(0.03)
    return taken


def _send(run: str) -> None:
    steps = (chain_app.check, chain_app.reserve, chain_app.price, chain_app.confirm)
    chain(*[step.si(run) for step in steps]).apply_async()
