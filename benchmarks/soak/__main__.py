"""``make soak``: steady business through the running product, and what its memory does meanwhile.

MINUTES sets how long (30). Growth compares the medians of a role's memory in the second sixth of
the time and in the last.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.product import ask
from benchmarks.report import Figure, report
from benchmarks.soak.processes import WORKERS, Memory, memory_by_role
from scenario.hub import wait_until
from scenario.watch import hub_state

SAMPLE_EVERY = 5.0
PAUSE = "4"  # seconds between two accepted quotes
DRAIN_SECONDS = 180
_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_CONFIRMED = "SELECT count(*) FROM postings_posting WHERE state = 'confirmed'"


@dataclass(frozen=True)
class Sample:
    """One look: seconds since the begin and what each role holds."""

    at: float
    memory: Memory


def main() -> int:
    minutes = float(os.environ.get("MINUTES") or 30)
    before = ask(_CONNECTIONS)
    trickle = subprocess.Popen([sys.executable, "-m", "scenario", "trickle", PAUSE])
    try:
        samples = watch(minutes * 60)
    finally:
        trickle.terminate()
        trickle.wait()
    drained = wait_until(lambda: hub_state().moving == 0, DRAIN_SECONDS, 2)
    time.sleep(10)
    print_course(samples)
    left = max(0, ask(_CONNECTIONS) - before)
    return report(
        [
            Figure("soak.rss_mb", largest_worker(samples), "MB", "<=200"),
            Figure("soak.rss_growth", growth(samples, minutes), "ratio", "<=0.1"),
            Figure("soak.connections_left", left, "connections", "<=4"),
            Figure("soak.backlog_left", 0 if drained else hub_state().moving, "rows", "0"),
            Figure("soak.lost", hub_state().lost, "events", "0"),
            # Without traffic the figures above would prove nothing.
            Figure("soak.confirmed_a_minute", ask(_CONFIRMED) / minutes, "postings", ">=10"),
        ]
    )


def watch(seconds: float) -> list[Sample]:
    begun, samples = time.monotonic(), []
    while (at := time.monotonic() - begun) < seconds:
        samples.append(Sample(at, memory_by_role()))
        time.sleep(SAMPLE_EVERY)
    return samples


def largest_worker(samples: Sequence[Sample]) -> float:
    """The most that one process of a worker ever held."""
    return max(max(s.memory.get(role, [0.0])) for s in samples for role in WORKERS)


def growth(samples: Sequence[Sample], minutes: float) -> float:
    """The largest growth of a role, from after the warm-up to the end."""
    return max(role_growth(samples, role, minutes) for role in roles_of(samples))


def roles_of(samples: Sequence[Sample]) -> list[str]:
    return sorted({role for sample in samples for role in sample.memory})


def role_growth(samples: Sequence[Sample], role: str, minutes: float) -> float:
    window = minutes * 60 / 6
    totals = [(s.at, sum(s.memory.get(role, []))) for s in samples]
    early = statistics.median(mb for at, mb in totals if window <= at < 2 * window)
    late = statistics.median(mb for at, mb in totals if at >= 5 * window)
    return late / early - 1


def print_course(samples: Sequence[Sample]) -> None:
    """Each role's memory at a dozen moments: sum and largest process."""
    for sample in samples[:: max(1, len(samples) // 12)]:
        parts = [
            f"{role} {sum(mb):4.0f} (largest {max(mb):3.0f})"
            for role, mb in sorted(sample.memory.items())
        ]
        sys.stdout.write(f"  {sample.at / 60:5.1f} min  MB: {', '.join(parts)}\n")


if __name__ == "__main__":
    sys.exit(main())
