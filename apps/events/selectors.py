"""Reads of the event log."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import connection

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.events.models import Event, Transition

# A committed event is only read once no older transaction can still commit one before it:
# otherwise a cursor would step over rows that become visible late.
SETTLED = "xid < pg_snapshot_xmin(pg_current_snapshot())"


def settled_before() -> int:
    """The transaction id below which every event is committed, or never will be."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


# ORDER BY and LIMIT, where EXISTS would do, make the planner begin at the cursor: for EXISTS it
# expects a match soon wherever it begins, and reads the whole log when there is none.
_READERS = """
WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid)
SELECT horizon.xid::text::bigint, reader.name, c.name IS NULL, unread.id IS NOT NULL
FROM horizon CROSS JOIN unnest(%s::text[], %s::text[]) AS reader(name, types)
LEFT JOIN events_cursor c ON c.name = reader.name
LEFT JOIN LATERAL (
  SELECT e.id FROM events_event e
  WHERE (e.xid, e.id) > (coalesce(c.xid, 0)::text::xid8, coalesce(c.last_id, 0))
    AND e.xid < horizon.xid AND e.type = ANY(reader.types::text[])
  ORDER BY e.xid, e.id LIMIT 1) AS unread ON true
"""
_UNREAD = """
SELECT EXISTS (
  SELECT FROM events_cursor c CROSS JOIN LATERAL (
    SELECT e.id FROM events_event e
    WHERE (e.xid, e.id) > (c.xid::text::xid8, c.last_id)
      AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY e.xid, e.id LIMIT 1) AS unread)
OR NOT EXISTS (SELECT FROM events_cursor)
"""
_UNSEALED = """
SELECT EXISTS (
  SELECT FROM (SELECT) AS once
  LEFT JOIN (SELECT event_id FROM events_seal ORDER BY position DESC LIMIT 1) link ON true
  LEFT JOIN events_event sealed ON sealed.id = link.event_id
  CROSS JOIN LATERAL (
    SELECT e.id FROM events_event e
    WHERE (e.xid, e.id) > (coalesce(sealed.xid, '0'), coalesce(sealed.id, 0))
      AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY e.xid, e.id LIMIT 1) AS unsealed)
"""


@dataclass(frozen=True, slots=True)
class Readers:
    """Which subscribers settled events of their types wait for, below one horizon."""

    horizon: int
    new: frozenset[str]
    wanting: frozenset[str]


def find_readers(types_of: Mapping[str, Collection[str]]) -> Readers:
    """Look for all subscribers at once; ``new`` are those that have no cursor yet."""
    types = ["{" + ",".join(sorted(wanted)) + "}" for wanted in types_of.values()]
    with connection.cursor() as cursor:
        cursor.execute(_READERS, [list(types_of), types])
        rows = cursor.fetchall()
    return Readers(
        horizon=max((row[0] for row in rows), default=0),
        new=frozenset(row[1] for row in rows if row[2]),
        wanting=frozenset(row[1] for row in rows if row[3]),
    )


def events_after(
    xid: int, last_id: int, types: Collection[str], horizon: int, limit: int
) -> list[Event]:
    """The next events of these types after a cursor position and below a horizon of
    ``settled_before``, in order of (xid, id).
    """
    return list(
        Event.objects.extra(  # xid8 has no ORM comparison
            where=["(xid, id) > (%s::text::xid8, %s) AND xid < %s::text::xid8"],
            params=[str(xid), last_id, str(horizon)],
        )
        .filter(type__in=types)
        .order_by("xid", "id")[:limit]
    )


def unsealed_events(last_sealed: int | None, limit: int) -> list[Event]:
    """Settled events after the last one in the chain, oldest first. Links are made in the order
    of (xid, id), so nothing before it is without one.
    """
    where, params = [SETTLED], []
    if last_sealed is not None:
        where.append("(xid, id) > (SELECT e.xid, e.id FROM events_event e WHERE e.id = %s)")
        params.append(last_sealed)
    settled = Event.objects.extra(where=where, params=params)  # noqa: S610 - constant SQL
    return list(settled.order_by("xid", "id")[:limit])


def list_events(principal: Principal) -> ScopedQuerySet:
    """Events a principal may see, newest first."""
    return Event.objects.visible_to(principal).order_by("-id")


def list_transitions(row_id: uuid.UUID) -> list[Transition]:
    """The state changes of one row, oldest first."""
    return list(Transition.objects.filter(row_id=str(row_id)).order_by("id"))


def count_transitions_without_actor() -> int:
    """State changes that nobody signed; the database should hold none."""
    return Transition.objects.filter(actor__isnull=True).count()


def has_unread() -> bool:
    """Whether some settled event lies after the cursor of a subscriber."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD)
        return bool(cursor.fetchone()[0])


def has_unsealed() -> bool:
    """Whether some settled event has no link in the chain yet. Events are sealed in their order
    of (xid, id), so that a number below the newest sealed one may still be without a link."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSEALED)
        return bool(cursor.fetchone()[0])
