"""The memory of the product's own processes, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

from benchmarks.product import SERVERS, processes

WORKERS = ("worker", "lanes")
Memory = dict[str, list[float]]  # role → MB of each of its processes


def memory_by_role() -> Memory:
    """Resident memory (MB) of each process of the hub; the servers' is not ours."""
    found: Memory = defaultdict(list)
    for pid, role in processes():
        resident = _resident(pid)
        if resident and role not in SERVERS:
            found[role].append(resident)
    return dict(found)


def _resident(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
