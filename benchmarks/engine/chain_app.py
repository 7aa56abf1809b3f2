"""A plain Celery application: four tasks in a chain, each committing one row."""

import os

import psycopg
from celery import Celery
from psycopg.types.json import Jsonb

BROKER = os.environ["REDIS_URL"].rsplit("/", 1)[0] + "/1"
# Not the current one: the hub rings its bells through its own.
app = Celery("bench_chain", broker=BROKER, set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
)
_connections: dict[int, psycopg.Connection] = {}


def _commit(run: str, step: int, output: dict[str, str]) -> None:
    database = _connections.get(os.getpid())
    if database is None:
        database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        _connections[os.getpid()] = database
    database.execute(
        "INSERT INTO bench_chain (run, step, output) VALUES (%s, %s, %s)",
        [run, step, Jsonb(output)],
    )


@app.task
def check(run: str) -> None:
    _commit(run, 1, {"order": run})


@app.task
def reserve(run: str) -> None:
    _commit(run, 2, {"reserved": run})


@app.task
def price(run: str) -> None:
    _commit(run, 3, {"of": run, "net": "148210.00"})


@app.task
def confirm(run: str) -> None:
    _commit(run, 4, {"net": "148210.00"})
