"""Processor time of the stack's processes, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

from q2c.stack.guard import MARK_VARIABLE, marked

# What a process's command line holds → whose cost it is. Simulators cost nobody anything here.
OWNERS = {
    "q2c.asgi:application": "web",
    "-n worker@": "worker",
    "-n lanes@": "lanes",
    "run_scheduler": "scheduler",
    "postgres": "PostgreSQL",
}
TICKS = os.sysconf("SC_CLK_TCK")


def spent_by_owner() -> dict[str, float]:
    """Seconds of user and system time so far, children that ended included."""
    found: dict[str, float] = defaultdict(float)
    for pid in marked(os.environ[MARK_VARIABLE].split()[-1]):
        owner = _owner(pid)
        if owner:
            found[owner] += _seconds(pid)
    return dict(found)


def _owner(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    return next((owner for part, owner in OWNERS.items() if part in words), None)


def _seconds(pid: int) -> float:
    """utime, stime, cutime and cstime: fields 14 to 17 of proc_pid_stat(5)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(part) for part in after_name[11:15]) / TICKS
