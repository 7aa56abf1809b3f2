"""A changed snapshot asks for a new comparison."""

import datetime as dt

from apps.events.models import Event
from apps.events.registry import subscribe
from apps.reconciliation.services import hear_snapshots


@subscribe("reconciliation.snapshots", "snapshot.refreshed")
def compare_again(events: list[Event], now: dt.datetime) -> None:
    hear_snapshots([str(event.data["document_type"]) for event in events], now=now)
