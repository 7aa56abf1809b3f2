"""The running product as benchmarks see it: its processes, and its database."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg

from q2c.stack.guard import MARK_VARIABLE, marked

# What a process's command line holds → its role. Children of a worker have their parent's.
ROLES = {
    "-n worker@": "worker",
    "-n lanes@": "lanes",
    "q2c.asgi:application": "web",
    "run_scheduler": "scheduler",
    "postgres": "PostgreSQL",
}
SERVERS = ("PostgreSQL",)


def processes() -> Iterator[tuple[int, str]]:
    """Process ids with their roles, of the stack that this process belongs to."""
    for pid in marked(os.environ[MARK_VARIABLE].split()[-1]):
        role = _role(pid)
        if role:
            yield pid, role


def _role(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    return next((role for part, role in ROLES.items() if part in words), None)


def ask(query: str) -> int:
    """One figure from the hub's database."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
