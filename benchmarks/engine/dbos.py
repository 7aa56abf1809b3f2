"""DBOS Transact as it is fastest: workflows started in the processes that run them."""

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator

import psycopg

from benchmarks.engine.children import LOOK, ROOT, await_true, running

PYTHON = ROOT / ".venv-bench" / "bin" / "python"
SYSTEM = "dbos_bench"
SWEEP = tuple(
    {"processes": processes, "style": style, "concurrency": concurrency}
    for processes in (1, 2, 3)
    for style, concurrency in (("threads", 4), ("threads", 16), ("async", 16))
)
QUICK_SWEEP = ({"processes": 2, "style": "threads", "concurrency": 8},)
Processes = list[subprocess.Popen[str]]
_DONE = """
SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE workflow_uuid = %s AND status = 'SUCCESS')
"""


def prepare() -> None:
    """A database of its own on the same server, owned by the schema owner."""
    if not PYTHON.exists():
        raise SystemExit(
            "DBOS is not installed. Run `make bench-engine`, which makes .venv-bench."
        )
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        database.execute(f"DROP DATABASE IF EXISTS {SYSTEM} WITH (FORCE)")
        database.execute(f"CREATE DATABASE {SYSTEM}")


def _url(scheme: str) -> str:
    info = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_OWNER_URL"])
    return f"{scheme}://{info['user']}@/{SYSTEM}?host={info['host']}"


@contextlib.contextmanager
def up(setting: dict[str, object]) -> Iterator[Processes]:
    """``processes`` of DBOS, each with ``concurrency`` threads, or as many tasks of one loop."""
    with contextlib.ExitStack() as stack:
        processes: Processes = []
        for number in range(int(str(setting["processes"]))):
            command = [str(PYTHON), "-m", "benchmarks.engine.dbos_process",
                       _url("postgresql+psycopg"), f"bench-{number}", str(setting["style"]),
                       str(setting["concurrency"])]  # fmt: skip
            process = stack.enter_context(running("dbos", command, {}))
            _hear(process, "ready")
            processes.append(process)
        _ask(processes, "many", 20)
        yield processes


def throughput(processes: Processes, runs: int) -> float:
    """Durable steps per second, from the first start to the last workflow's end."""
    begun = time.perf_counter()
    _ask(processes, "many", runs // len(processes))
    return 4 * (runs // len(processes)) * len(processes) / (time.perf_counter() - begun)


def latencies(processes: Processes, runs: int) -> list[float]:
    """Seconds from start to finished of one workflow at a time: the process says when it began,
    on the clock that all processes share, and its end is seen in the database as the hub's is."""
    taken = []
    with psycopg.connect(_url("postgresql"), autocommit=True) as database:
        for _ in range(runs):
            key = uuid.uuid4().hex
            _say(processes[0], f"single {key}")
            begun = float(_line(processes[0]))
            await_true(database, _DONE, (key,), LOOK)
            taken.append(time.perf_counter() - begun)
            time.sleep(0.03)
    return taken


def _ask(processes: Processes, what: str, count: int) -> None:
    for process in processes:
        _say(process, f"{what} {count}")
    for process in processes:
        _hear(process, "done")


def _say(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _hear(process: subprocess.Popen[str], word: str) -> None:
    heard = _line(process)
    if heard != word:
        raise RuntimeError(f"DBOS said {heard!r} instead of {word!r}; see its log")


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout is not None else ""
