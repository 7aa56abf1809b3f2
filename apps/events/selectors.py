"""Reads of the event log."""

import uuid

from django.db import connection
from django.db.models import Exists, OuterRef

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.events.models import Event, Seal, Transition

# A committed event is only read once no older transaction can still commit one before it:
# otherwise a cursor would step over rows that become visible late.
SETTLED = "xid < pg_snapshot_xmin(pg_current_snapshot())"


def events_after(xid: int, last_id: int, limit: int) -> list[Event]:
    """The next settled events after a cursor position, in order of (xid, id)."""
    return list(
        Event.objects.extra(  # noqa: S610 - constant SQL; xid8 has no ORM comparison
            where=[f"(xid, id) > (%s::text::xid8, %s) AND {SETTLED}"],
            params=[str(xid), last_id],
        ).order_by("xid", "id")[:limit]
    )


def count_unread(xid: int, last_id: int) -> int:
    """How many settled events lie after a cursor position."""
    return Event.objects.extra(  # noqa: S610 - constant SQL; xid8 has no ORM comparison
        where=[f"(xid, id) > (%s::text::xid8, %s) AND {SETTLED}"], params=[str(xid), last_id]
    ).count()


def unsealed_events(limit: int) -> list[Event]:
    """Settled events without a link in the chain, oldest first."""
    sealed = Seal.objects.filter(event_id=OuterRef("id"))
    return list(
        Event.objects.extra(where=[SETTLED])  # noqa: S610 - constant SQL
        .filter(~Exists(sealed))
        .order_by("xid", "id")[:limit]
    )


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
    """Whether some settled event lies after the slowest subscriber's cursor."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM events_event e WHERE e.xid < "
            "pg_snapshot_xmin(pg_current_snapshot()) AND (e.xid, e.id) > ALL ("
            "SELECT (coalesce(min(c.xid), 0))::text::xid8, coalesce(min(c.last_id), 0) "
            "FROM events_cursor c)) OR NOT EXISTS (SELECT FROM events_cursor)"
        )
        return bool(cursor.fetchone()[0])


def has_unsealed() -> bool:
    """Whether some settled event has no link in the chain yet. Events are sealed in their order
    of (xid, id), so that a number below the newest sealed one may still be without a link."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM events_event WHERE xid < "
            "pg_snapshot_xmin(pg_current_snapshot()) AND (xid, id) > ALL (SELECT e.xid, e.id "
            "FROM events_event e JOIN (SELECT event_id FROM events_seal ORDER BY position DESC "
            "LIMIT 1) last ON last.event_id = e.id))"
        )
        return bool(cursor.fetchone()[0])
