"""Processor time of the product's processes, from /proc. Simulators cost nobody anything here."""

import os
from collections import defaultdict
from pathlib import Path

from benchmarks.product import processes

TICKS = os.sysconf("SC_CLK_TCK")


def spent_by_role() -> dict[str, float]:
    """Seconds of user and system time so far, children that ended included."""
    found: dict[str, float] = defaultdict(float)
    for pid, role in processes():
        found[role] += _seconds(pid)
    return dict(found)


def _seconds(pid: int) -> float:
    """utime, stime, cutime and cstime: fields 14 to 17 of proc_pid_stat(5)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(part) for part in after_name[11:15]) / TICKS
