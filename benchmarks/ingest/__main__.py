"""``make bench-ingest``: how fast the webhook door accepts, beside a bare Django view.

Both run under the same web server with the same options and a pool of one size, on the same
PostgreSQL with fsync on; the hub's door verifies, de-duplicates and stores, the bare view verifies
and inserts. While acknowledgements are timed, the hub's workers and scheduler work on what comes
in. QUICK=1 gives a rough figure in a minute.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import psycopg

from benchmarks.ingest.servers import ROOT, Broker, web_servers, workers
from benchmarks.ingest.setup import SECRET, empty, ensure_default_mapping, prepare
from benchmarks.report import Figure, report

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 2 if QUICK else 5
SECONDS = 1.5 if QUICK else 4.0
CONNECTIONS = 16  # asked by as many at once, as fast as answers come
OPEN_CONNECTIONS = 64  # for the paced runs
WARM_SECONDS = 60


def main() -> int:
    database = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
    with database, web_servers(_prepared(database)) as ports:
        broker = Broker(os.environ["REDIS_URL"])
        found = _rounds(ports)
        hub, bare = (statistics.median(found[name]) for name in ("hub", "bare"))
        say(f"Accepted a second, median of {ROUNDS} rounds: hub {hub:.0f}, bare view {bare:.0f}")
        rate = hub / 2
        empty(database)
        with workers():
            _warm(database, ports["hub"], rate)
            calm = _p99(ports["hub"], rate, "half load")
            say(f"The workers have taken up {_taken_up(database)} meanwhile.")
            with broker.frozen():
                frozen = _p99(ports["hub"], rate, "half load, Redis frozen")
            broker.kill()
            killed = _p99(ports["hub"], rate, "half load, Redis killed")
            say(f"The workers have taken up {_taken_up(database)} in all.")
    return report(
        [
            Figure("ingest.vs_bare", hub / bare, "x", ">=0.8"),
            Figure("ingest.p99_ms", calm, "ms", "<=50"),
            Figure("ingest.p99_redis_stopped_ms", max(frozen, killed), "ms", "<=50"),
        ]
    )


def _prepared(database: psycopg.Connection[Any]) -> str:
    """The door's secret, once the hub is set up behind it."""
    prepare(database)
    ensure_default_mapping("stripe.invoice.in")
    say(f"Calibration: {_commits(database):.0f} inserts a second by one connection")
    return SECRET


def _warm(database: psycopg.Connection[Any], port: int, rate: float) -> None:
    """A little load, until the workers are up and through with it. Ends the run without."""
    load(port=port, connections=OPEN_CONNECTIONS, rate=rate / 10)
    deadline = time.monotonic() + WARM_SECONDS
    while time.monotonic() < deadline:
        if _one(database, "SELECT count(*) FROM ingestion_delivery WHERE split_at IS NULL") == 0:
            return
        time.sleep(0.5)
    raise SystemExit(f"The workers took nothing up within {WARM_SECONDS} s.")


def _taken_up(database: psycopg.Connection[Any]) -> str:
    split = "SELECT count(*) FROM ingestion_delivery WHERE split_at IS NOT NULL"
    applied = "SELECT count(*) FROM ingestion_inboundevent WHERE outcome <> ''"
    came = _one(database, "SELECT count(*) FROM ingestion_delivery")
    return f"{_one(database, split)} and applied {_one(database, applied)} of {came} messages"


def _one(database: psycopg.Connection[Any], query: str) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0


def _rounds(ports: dict[str, int]) -> dict[str, list[float]]:
    """Closed-loop rounds in turns, each round beginning with the other one."""
    found: dict[str, list[float]] = {"hub": [], "bare": []}
    for number in range(ROUNDS):
        for name in sorted(found, reverse=number % 2 == 0):
            result = load(port=ports[name], connections=CONNECTIONS)
            found[name].append(result["per_second"])
            say(
                f"  round {number + 1} {name:4} {result['per_second']:7.0f}/s  "
                f"p99 {result['p99_ms']:.1f} ms"
            )
    return found


def _p99(port: int, rate: float, words: str) -> float:
    """The median over rounds of the 99th percentile at a pace; unanswered counts as never."""
    results = [load(port=port, connections=OPEN_CONNECTIONS, rate=rate) for _ in range(ROUNDS)]
    figures = [r["p99_ms"] if not r["unanswered"] else float("inf") for r in results]
    say(
        f"p99 at {rate:.0f}/s ({words}): " + ", ".join(f"{f:.1f}" for f in figures)
        + f" ms; p50 {statistics.median(r['p50_ms'] for r in results):.1f} ms"
    )  # fmt: skip
    return statistics.median(figures)


def load(**spec: Any) -> dict[str, Any]:
    """One stretch of load by the generator's own process. Ends the run when one was refused."""
    words = json.dumps({"secret": SECRET, "seconds": SECONDS, **spec})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest.load", words],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    if result["refused"] or result["broken"]:
        raise SystemExit(f"The door refused messages of the benchmark: {result}")
    return result


def _commits(database: psycopg.Connection[Any]) -> float:
    """Inserts a second with a commit each, to compare machines by."""
    body, until, count = b"x" * 3000, time.monotonic() + 1, 0
    while time.monotonic() < until:
        database.execute("INSERT INTO bench_bare (body) VALUES (%s)", [body])
        count += 1
    return float(count)


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
