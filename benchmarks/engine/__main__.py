"""``make bench-engine``: sweeps, interleaved rounds, medians, ratios.

Everything runs on the PostgreSQL that ``q2c.stack exec --durable`` started: fsync and
synchronous_commit on. The baselines are tuned first; then rounds of all three follow one another.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import django
import psycopg

import q2c.celery  # noqa: F401 - makes the hub's Celery app the current one
from benchmarks.report import Figure, report

django.setup()

from benchmarks.engine import chain, dbos, ours  # noqa: E402

CANDIDATES: dict[str, ModuleType] = {"hub": ours, "DBOS Transact": dbos, "Celery chain": chain}
RUNS = {"hub": 4000, "DBOS Transact": 240, "Celery chain": 400}
QUICK_SHARE = 8  # the short form runs an eighth
LEFT_OUT = (
    "A rate is of steps, until the last run has ended. The hub's subscribers read what the steps "
    "tell in the same worker meanwhile; each round says how much later they had read everything. "
    "Neither baseline has events or a hash chain over them."
)
Settings = dict[str, dict[str, Any]]


def main() -> int:
    options = _options()
    _migrate()
    for baseline in (dbos, chain):
        baseline.prepare()
    share = QUICK_SHARE if options.quick else 1
    runs = {name: count // share for name, count in RUNS.items()}
    print(f"PostgreSQL {_setting('server_version')}: fsync {_setting('fsync')}, "
          f"synchronous_commit {_setting('synchronous_commit')}, "
          f"{os.cpu_count()} cores; calibration {_calibrate():.0f} single-row commits/s "
          f"of one connection")  # fmt: skip
    print(LEFT_OUT)
    settings = {name: _tune(name, runs[name] // 2, quick=options.quick) for name in CANDIDATES}
    rates, waits = _rounds(settings, runs, options.rounds)
    return report(_figures(rates, waits))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs, no sweep, one round")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5; quick: 1)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options


def _migrate() -> None:
    owner = {**os.environ, "DATABASE_URL": os.environ["DATABASE_OWNER_URL"]}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=owner, check=True)


def _setting(name: str) -> str:
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        row = database.execute(f"SHOW {name}").fetchone()
    return str(row[0]) if row else ""


def _calibrate(seconds: float = 1.0) -> float:
    """Single-row commits per second of one connection: what a commit costs on this machine."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            run = f"calibration-{os.getpid()}-{begun}-{count}"
            database.execute("INSERT INTO bench_chain (run, step, output) VALUES (%s, 0, '{}')",
                             [run])  # fmt: skip
            count += 1
        return count / (time.perf_counter() - begun)


def _tune(name: str, runs: int, *, quick: bool) -> dict[str, Any]:
    """The fastest setting of a candidate, every one of them printed."""
    candidate = CANDIDATES[name]
    sweep: tuple[dict[str, Any], ...] = candidate.QUICK_SWEEP if quick else candidate.SWEEP
    if len(sweep) == 1:
        return sweep[0]
    print(f"\nSweep of {name}: {runs} runs of 4 steps")
    found = [(_measure(candidate, setting, runs), setting) for setting in sweep]
    best = max(found, key=lambda pair: pair[0])
    for rate, setting in found:
        words = ", ".join(f"{key} {value}" for key, value in setting.items())
        print(f"  {words:<50} {rate:8.0f} steps/s{'   taken' if setting is best[1] else ''}")
    return best[1]


def _measure(candidate: ModuleType, setting: dict[str, Any], runs: int) -> float:
    with candidate.up(setting) as started:
        return float(candidate.throughput(started, runs))


def _rounds(settings: Settings, runs: dict[str, int], rounds: int) -> tuple[Any, Any]:
    """Rates and waits of each round, the candidates taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    waits: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for number in range(1, rounds + 1):
        for name, candidate in CANDIDATES.items():
            with candidate.up(settings[name]) as started:
                waits[name].append(_p95(candidate.latencies(started, 40)))
                rates[name].append(float(candidate.throughput(started, runs[name])))
        told = [
            f"{name} {rates[name][-1]:.0f} steps/s, p95 {waits[name][-1] * 1000:.1f} ms"
            for name in CANDIDATES
        ]
        print(f"Round {number}: {'; '.join(told)}", flush=True)
    return rates, waits


def _p95(seconds: list[float]) -> float:
    """The 95th percentile, the first fifth left out as warm-up."""
    ranked = sorted(seconds[len(seconds) // 5 :])
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))]


def _figures(rates: dict[str, list[float]], waits: dict[str, list[float]]) -> list[Figure]:
    median: Callable[[list[float]], float] = statistics.median
    print("\nMedians")
    for name in CANDIDATES:
        print(f"  {name:<14} {median(rates[name]):8.0f} durable steps/s"
              f"   idle p95 of one run {median(waits[name]) * 1000:7.1f} ms")  # fmt: skip
    hub, dbos_rate, chained = (median(rates[name]) for name in CANDIDATES)
    return [
        Figure("engine.vs_dbos", hub / dbos_rate, "ratio", ">=10"),
        Figure("engine.vs_celery_chain", hub / chained, "ratio", ">=5"),
        Figure(
            "engine.idle_p95_vs_dbos",
            median(waits["hub"]) / median(waits["DBOS Transact"]),
            "ratio",
            "<=1",
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
