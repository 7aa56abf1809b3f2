"""Waiting events wake when the record they need appears."""

import datetime as dt

from apps.events.models import Event
from apps.events.registry import subscribe
from apps.ingestion.services import wake_waiting


@subscribe("ingestion.wake", "order.created", "invoice.created", "customer.created")
def wake(events: list[Event], now: dt.datetime) -> None:
    """``wakes`` in an event's data lists the keys that others may wait for."""
    keys = [key for event in events for key in event.data.get("wakes", [])]
    if keys:
        wake_waiting(keys, now=now)
