"""A changed snapshot asks for a new comparison; an approved write-off is carried out."""

import datetime as dt
import uuid

from apps.core.principal import Actor
from apps.events.models import Event
from apps.events.registry import subscribe
from apps.reconciliation.services import carry_out_write_off, hear_snapshots
from apps.reconciliation.types import WRITE_OFF


@subscribe("reconciliation.snapshots", "snapshot.refreshed")
def compare_again(events: list[Event], now: dt.datetime) -> None:
    hear_snapshots([str(event.data["document_type"]) for event in events], now=now)


@subscribe("reconciliation.approvals", "approval.approved")
def hear_approvals(events: list[Event], now: dt.datetime) -> None:
    """A write-off is done in the name of the person who agreed to it."""
    for event in events:
        data = event.data
        if data.get("kind") == WRITE_OFF:
            checker = Actor("user", str(data["decided_by_id"]), str(data["decided_by"]))
            carry_out_write_off(uuid.UUID(str(event.aggregate_id)), actor=checker, now=now)
