"""The stack's own processes and their memory, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

from q2c.stack.guard import MARK_VARIABLE, marked

# What a process's command line holds → its role. Children of a worker have their parent's.
ROLES = {
    "-n worker@": "worker",
    "-n lanes@": "lanes",
    "q2c.asgi:application": "web",
    "run_scheduler": "scheduler",
}
WORKERS = ("worker", "lanes")
Memory = dict[str, list[float]]  # role → MB of each of its processes


def memory_by_role() -> Memory:
    """Resident memory (MB) of each process of the stack that this process belongs to."""
    found: Memory = defaultdict(list)
    for pid in marked(os.environ[MARK_VARIABLE].split()[-1]):
        role, resident = _role(pid), _resident(pid)
        if role and resident:
            found[role].append(resident)
    return dict(found)


def _role(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    return next((role for part, role in ROLES.items() if part in words), None)


def _resident(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
