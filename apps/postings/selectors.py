"""Reads of postings."""

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db import connection as database
from django.db.models import Count, F, Sum

from apps.connectors.lanes.budget import clears_in
from apps.connectors.lanes.counts import Counted, counted_since
from apps.connectors.models import Connection
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.postings.models import OPEN_STATES, Attempt, Posting, RefusedWrite
from apps.postings.types import Blocked, LaneBudget

_DUE_LANES = """
SELECT DISTINCT p.connection_id FROM postings_posting p
JOIN connectors_connection c ON c.id = p.connection_id
WHERE c.state IN ('active', 'draining')
  AND (c.circuit_until IS NULL OR c.circuit_until <= clock_timestamp())
  AND (c.held_until IS NULL OR c.held_until <= clock_timestamp())
  AND NOT (p.is_held AND p.state = 'queued')
  AND (((p.state IN ('unknown', 'posted') OR (p.state = 'queued' AND c.state = 'active'))
        AND p.due_at <= clock_timestamp())
       OR (p.state = 'sending' AND p.claimed_until < clock_timestamp()))
"""

# The states are named here, beside the given ones, as the partial indexes are found by them.
_DUE_STATES = """
SELECT DISTINCT state FROM postings_posting
WHERE connection_id = %s AND state IN ('queued', 'unknown', 'posted', 'sending')
  AND state = ANY(%s) AND NOT (is_held AND state = 'queued')
  AND CASE state WHEN 'sending' THEN claimed_until < clock_timestamp()
      ELSE due_at <= clock_timestamp() END
"""


def list_postings(principal: Principal) -> ScopedQuerySet:
    """Postings a principal may see, newest first."""
    return Posting.objects.visible_to(principal).order_by("-sequence")


def due_lanes() -> list[str]:
    """Connections with work due now: what the sweeper rings."""
    with database.cursor() as cursor:
        cursor.execute(_DUE_LANES)
        return [str(row[0]) for row in cursor.fetchall()]


def due_states(connection_id: uuid.UUID, states: Sequence[str]) -> set[str]:
    """Which of these states a connection has postings due in: what a lane asks before it claims,
    as mostly nothing is. Due in ``sending`` is what a dead worker left."""
    with database.cursor() as cursor:
        cursor.execute(_DUE_STATES, [connection_id, list(states)])
        return {row[0] for row in cursor.fetchall()}


def postings_by_id(ids: list[uuid.UUID]) -> dict[uuid.UUID, Posting]:
    return {posting.id: posting for posting in Posting.objects.filter(id__in=ids)}


def attempts_of(posting_ids: list[uuid.UUID]) -> list[Attempt]:
    """Tries of some postings, oldest first."""
    return list(Attempt.objects.filter(posting_id__in=posting_ids).order_by("id"))


def blocked_behind(posting: Posting) -> Blocked:
    """What waits behind this one in its ordering key: how many, and how much in each currency."""
    rows = (
        Posting.objects.filter(
            connection_id=posting.connection_id,
            ordering_key=posting.ordering_key,
            sequence__gt=posting.sequence,
            state="queued",
        )
        .order_by()
        .values("currency")
        .annotate(n=Count("pk"), total=Sum("amount"))
    )
    if posting.state not in OPEN_STATES or posting.skipped_at is not None:
        return Blocked(0, {})
    return Blocked(
        sum(row["n"] for row in rows),
        {row["currency"]: row["total"] for row in rows if row["currency"] and row["total"]},
    )


_BACKLOG = """
SELECT p.connection_id,
    count(*) FILTER (WHERE NOT blocked), count(*) FILTER (WHERE blocked),
    count(*) FILTER (WHERE p.state = 'unknown' AND NOT blocked)
FROM (
    SELECT connection_id, state, bool_or(state IN ('rejected', 'parked', 'dead')) OVER (
        PARTITION BY connection_id, ordering_key ORDER BY sequence
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS blocked
    FROM postings_posting
    WHERE connection_id = ANY(%s) AND state = ANY(%s) AND skipped_at IS NULL
) p WHERE p.state IN ('queued', 'sending', 'unknown') GROUP BY p.connection_id
"""


def lane_budgets(
    connections: Sequence[Connection], now: dt.datetime
) -> dict[uuid.UUID, LaneBudget]:
    """Each connection's call budget: what may go, what waits, and when it will be through."""
    ids = [connection.id for connection in connections]
    with database.cursor() as cursor:
        cursor.execute(_BACKLOG, [ids, list(OPEN_STATES)])
        waiting = {row[0]: row[1:] for row in cursor.fetchall()}
    counted = counted_since(ids, now - dt.timedelta(seconds=60))
    refused = dict(
        RefusedWrite.objects.filter(connection_id__in=ids)
        .order_by()
        .values_list("connection_id")
        .annotate(Count("pk"))
    )
    return {
        c.id: lane_budget(
            c, waiting.get(c.id, (0, 0, 0)), counted.get(c.id, Counted()),
            refused.get(c.id, 0), now,
        )
        for c in connections
    }  # fmt: skip


def lane_budget(
    connection: Connection,
    waiting: tuple[int, int, int],
    minute: Counted,
    refused_writes: int,
    now: dt.datetime,
) -> LaneBudget:
    """One connection's budget from its row and counts."""
    learnt = connection.budget
    known = [learnt.get("rate"), learnt.get("stated"), connection.calls_per_second]
    rates = [rate for rate in known if rate]
    pace = min(rates) if rates else None
    working = clears_in(
        waiting[0],
        jobs_per_second=learnt.get("jobs_per_second"),
        calls_each=learnt.get("calls_each") or 2.0,
        pace=pace,
    )
    held = _held_for(connection, now)
    return LaneBudget(
        pace=pace,
        at_once=max(1, round(min(learnt.get("width") or 1e9, connection.concurrency))),
        ceiling=connection.concurrency,
        calls_last_minute=minute.calls,
        refused_last_minute=minute.refused,
        retries_last_minute=max(0, minute.retries),
        first_tries_last_minute=minute.first_tries,
        waiting=waiting[0],
        blocked=waiting[1],
        unknown=waiting[2],
        held_seconds=held,
        clears_in=None if working is None or held is None else working + held,
        refused_writes=refused_writes,
    )


def _held_for(connection: Connection, now: dt.datetime) -> float | None:
    """Seconds until calls may go again; None while a person holds it."""
    if connection.state != "active":
        return None
    ends = [end for end in (connection.held_until, connection.circuit_until) if end is not None]
    return max([0.0, *((end - now).total_seconds() for end in ends)])


def oldest_due(now: dt.datetime) -> dt.datetime | None:
    """When the oldest due posting fell due."""
    return (
        Posting.objects.filter(state="queued", due_at__lte=now)
        .order_by(F("due_at"))
        .values_list("due_at", flat=True)
        .first()
    )
