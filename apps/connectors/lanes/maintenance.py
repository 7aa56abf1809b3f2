"""Maintenance windows set up and taken away, with their audit events; leaving a platform alone."""

import datetime as dt
import uuid

from apps.connectors.lanes.windows import window_fault
from apps.connectors.models import Connection, MaintenanceWindow
from apps.core.errors import ConfigurationError
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent


def hold(connection_id: uuid.UUID, *, until: dt.datetime, reason: str) -> None:
    """Leave a platform alone until a moment; what is owed waits, nothing fails."""
    Connection.objects.filter(id=connection_id).update(held_until=until, held_reason=reason)


def add_window(window: MaintenanceWindow, *, actor: Actor, now: dt.datetime) -> None:
    """Hold a connection in a window. Raises ``ConfigurationError`` naming its fault."""
    fault = window_fault(window)
    if fault:
        raise ConfigurationError("misconfigured", fault)
    with acting(actor):
        window.save(force_insert=True)
        _tell(window, "window_added", actor, now)


def drop_window(
    connection: Connection, window_id: uuid.UUID, *, actor: Actor, now: dt.datetime
) -> bool:
    """Take a window away; what it holds goes on at once. False when it was gone already."""
    with acting(actor):
        window = MaintenanceWindow.objects.filter(id=window_id, connection=connection).first()
        if window is None:
            return False
        _tell(window, "window_dropped", actor, now)
        window.delete()
        Connection.objects.filter(id=connection.id, held_reason="maintenance window").update(
            held_until=None, held_reason=""
        )
        enqueue_on_commit("postings.run_lane", str(connection.id), queue="lanes")
    return True


def _tell(window: MaintenanceWindow, what: str, actor: Actor, now: dt.datetime) -> None:
    row = window.connection
    event = NewEvent(
        type=f"connection.{what}",
        aggregate_type="connection",
        aggregate_id=row.id,
        aggregate_version=row.rev,
        legal_entity_id=row.legal_entity_id,
        data={"code": row.code, "name": row.name, "window": window.shown},
    )
    publish_events([event], actor=actor, now=now)
