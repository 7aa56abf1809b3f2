"""Beside a product: a round of sales for each line of standard input, its cost as a line of JSON.

Buffers are those of the statements of hub and web, by ``pg_stat_statements``, triggers included;
processor time is that of the hub's processes and of the database server.
"""

import datetime as dt
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.data.templates import superuser
from benchmarks.deals import plain_deals, sell
from benchmarks.flow.spent import TICKS, spent_by_role
from q2c.stack.roles import APP_ROLE
from scenario.drive import SalesTeam
from scenario.hub import wait_until

DEALS = 15  # a round
SETTLE_SECONDS = 240
# The rows of a round are the newest, so this costs the same however many there are.
_DONE = """
SELECT count(*) FILTER (WHERE operation = 'invoice.create'), count(*),
       count(*) FILTER (WHERE state <> 'confirmed')
FROM postings_posting WHERE id > %s
"""
_NEWEST = "SELECT id FROM postings_posting ORDER BY id DESC LIMIT 1"
_STATEMENTS = """
SELECT min(query), sum(shared_blks_hit + shared_blks_read), sum(calls) FROM pg_stat_statements s
JOIN pg_roles r ON r.oid = s.userid AND r.rolname = %s
JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
GROUP BY queryid
"""
# Of the whole server: the other product rests meanwhile.
_WRITTEN = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())
"""
Statements = dict[str, int]


class Rounds:
    """Sells, waits until everything is in the ledgers, and says what that cost."""

    def __init__(self, database: psycopg.Connection[Any]) -> None:
        self.database = database
        self.name = database.info.dbname
        self.sales = SalesTeam(dt.datetime.now(dt.UTC).date())
        self.sales.stock_catalogue()

    def play(self, number: int) -> dict[str, Any]:
        before, spent, newest = self._statements(), self._spent(), self._newest()
        log, commits = self._written()
        sell(self.sales, plain_deals(DEALS, f"{self.name}-{number}"))
        if not wait_until(lambda: self._settled(newest), SETTLE_SECONDS, 1):
            raise SystemExit(f"A round was not through after {SETTLE_SECONDS} s.")
        after, (log_after, commits_after) = self._statements(), self._written()
        used = {query: after[query] - before.get(query, 0) for query in after}
        return {
            "postings": self._counts(newest)[1],
            "cpu_s": {role: s - spent.get(role, 0.0) for role, s in self._spent().items()},
            "buffers": sum(used.values()),
            "log_kb": (log_after - log) / 1024,
            "commits": commits_after - commits,
            "statements": dict(sorted(used.items(), key=lambda one: -one[1])[:60]),
        }

    def _newest(self) -> Any:
        row = self.database.execute(_NEWEST).fetchone()
        return row[0] if row else None

    def _counts(self, newest: Any) -> tuple[int, ...]:
        return tuple(map(int, self.database.execute(_DONE, [newest]).fetchall()[0]))

    def _settled(self, newest: Any) -> bool:
        invoices, _, open_ones = self._counts(newest)
        return invoices >= DEALS and not open_ones

    def _written(self) -> tuple[int, ...]:
        """Bytes of write-ahead log so far, and commits."""
        return tuple(map(int, self.database.execute(_WRITTEN).fetchall()[0]))

    def _statements(self) -> Statements:
        rows = self.database.execute(_STATEMENTS, [APP_ROLE]).fetchall()
        return {query: int(blocks) for query, blocks, _ in rows}

    def _spent(self) -> dict[str, float]:
        return {**spent_by_role(), "PostgreSQL": served(self.database.info.backend_pid)}


def served(backend: int) -> float:
    """Processor seconds of the server of a backend: of those that serve, and of those that did.

    A worker's connection ends with its task, so most of it is what the server's main process has
    of its ended children.
    """
    server = int(_stat(backend)[1])
    ended = sum(int(word) for word in _stat(server)[13:15])
    alive = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = _stat(int(folder.name))
            except OSError:  # it ended just now
                continue
            if int(words[1]) == server:
                alive += int(words[11]) + int(words[12])
    return (ended + alive) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def main() -> int:
    with superuser(os.environ["GROWTH_DATABASE"]) as database:
        rounds = Rounds(database)
        say({"up": True})
        for number, _ in enumerate(sys.stdin):
            say(rounds.play(number))
            time.sleep(1)
    return 0


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
