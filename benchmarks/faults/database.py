"""What the hub's database says, asked directly and read only; -1 or None when it cannot answer."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import psycopg

# Rows that the hub itself works on and that existed at a moment; what waits for a person, for a
# platform's callback or for another record is not moving.
_MOVING = """
SELECT (SELECT count(*) FROM ingestion_delivery WHERE split_at IS NULL AND created_at <= %(at)s)
 + (SELECT count(*) FROM ingestion_inboundevent WHERE created_at <= %(at)s
    AND (state IN ('received', 'processing') OR (state = 'waiting' AND wait_reason = 'fetch')))
 + (SELECT count(*) FROM workflows_workflowrun WHERE due_at IS NOT NULL AND created_at <= %(at)s
    AND state IN ('pending', 'running', 'waiting', 'compensating'))
 + (SELECT count(*) FROM (
      SELECT DISTINCT ON (connection_id, ordering_key) state, created_at FROM postings_posting
      WHERE state = ANY(%(open)s) {skipped}
      ORDER BY connection_id, ordering_key, sequence) head
    WHERE state IN ('queued', 'sending', 'unknown', 'posted') AND created_at <= %(at)s)
"""
# States that hold back what is behind them in their ordering key. A dead letter does so in a hub
# in which people can let the others pass it.
_OPEN = ["queued", "sending", "unknown", "posted", "rejected", "parked"]
_CAN_SKIP = """
SELECT EXISTS (SELECT FROM information_schema.columns
               WHERE table_name = 'postings_posting' AND column_name = 'skipped_at')
"""
_OPEN_CIRCUITS = """
SELECT count(*) FROM connectors_connection
WHERE circuit <> 'closed' AND circuit_until > clock_timestamp() AND vendor = ANY(%s)
"""
# A worker names itself host:pid in what it holds; a posting's claim has a token behind it.
_LEASE_LEFT = """
SELECT coalesce(max(extract(epoch FROM until - clock_timestamp())), 0)::float FROM (
    SELECT expires_at AS until FROM jobs_lease
    WHERE isfinite(expires_at) AND owner || ':' LIKE %(holder)s
    UNION ALL SELECT claimed_until FROM postings_posting
    WHERE state = 'sending' AND claimed_by || ':' LIKE %(holder)s) held
"""


class HubDatabase:
    """One connection for each thread that asks, opened again after the server was away."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = threading.local()
        self._open, self._moving = _OPEN, ""

    def _connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = psycopg.connect(self.url, autocommit=True, connect_timeout=3)
            self._local.connection = connection
        return connection

    @contextlib.contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What this thread asks within sees the hub as it was at the first question."""
        connection = self._connection()
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def rows(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Raises ``psycopg.Error`` when the server is away."""
        connection = self._connection()
        try:
            return connection.execute(sql, parameters).fetchall()
        except psycopg.OperationalError:
            connection.close()
            raise

    def one(self, sql: str, parameters: Any = None) -> Any:
        return self.rows(sql, parameters)[0][0]

    def now(self) -> dt.datetime:
        """The database's clock."""
        moment: dt.datetime = self.one("SELECT clock_timestamp()")
        return moment

    def _learn(self) -> None:
        """What holds back in this release."""
        skips = bool(self.one(_CAN_SKIP))
        self._open = [*_OPEN, "dead"] if skips else _OPEN
        self._moving = _MOVING.format(skipped="AND skipped_at IS NULL" if skips else "")

    def moving(self, at: dt.datetime | None = None) -> int:
        """Rows that move now, of those that existed at a moment; -1 when nobody answers."""
        moment = at or dt.datetime.max.replace(tzinfo=dt.UTC)
        try:
            if not self._moving:
                self._learn()
            return int(self.one(self._moving, {"at": moment, "open": self._open}))
        except psycopg.Error:
            return -1

    def batches(self) -> int:
        """Batches that people started and that are not through; -1 when nobody answers."""
        try:
            return int(self.one("SELECT count(*) FROM jobs_batch WHERE state = 'running'"))
        except psycopg.Error:
            return -1

    def transitions(self) -> int:
        """A number that grows whenever anything in the hub changes its state; -1 unanswered."""
        try:
            return int(self.one("SELECT coalesce(max(id), 0) FROM events_transition"))
        except psycopg.Error:
            return -1

    def has_open_circuit(self, vendors: list[str]) -> bool:
        """Whether the circuit of one of these platforms rests now."""
        try:
            return bool(vendors) and int(self.one(_OPEN_CIRCUITS, [vendors])) > 0
        except psycopg.Error:
            return False

    def lease_left(self, pids: list[int]) -> float:
        """Seconds until the last lease of these processes ends; 0 when they hold none."""
        try:
            left = [float(self.one(_LEASE_LEFT, {"holder": f"%:{pid}:%"})) for pid in pids]
            return max(left, default=0.0)
        except psycopg.Error:
            return 0.0

    def paused_connections(self) -> list[tuple[str, int]]:
        """Connections that a configuration error paused: code and revision."""
        try:
            rows = self.rows("SELECT code, rev FROM connectors_connection WHERE state = 'paused'")
        except psycopg.Error:
            return []
        return [(str(code), int(rev)) for code, rev in rows]
