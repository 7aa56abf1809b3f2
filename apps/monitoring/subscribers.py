"""Every event of a journey puts its journey out of date; an event only says which one."""

import datetime as dt

from apps.events.models import Event
from apps.events.registry import subscribe
from apps.monitoring.services import note_changes, note_customer_changes

CHANGES = (
    "quote.changed",
    "quote.created",
    "order.created",
    "order.booked",
    "amendment.created",
    "amendment.applied",
    "invoice.created",
    "run.started",
    "run.completed",
    "run.cancelled",
    "run.compensating",
    "run.compensated",
    "step.succeeded",
    "step.failed",
    "step.skipped",
    "step.compensated",
    "posting.queued",
    "posting.posted",
    "posting.confirmed",
    "posting.rejected",
    "posting.parked",
    "posting.doubted",
    "posting.dead",
    "posting.requeued",
    "posting.cancelled",
    "exception.opened",
    "exception.resolved",
    "exception.dismissed",
    "exception.reopened",
)


@subscribe("monitoring.journeys", *CHANGES)
def hear(events: list[Event], _now: dt.datetime) -> None:
    note_changes(e.journey_id for e in events if e.journey_id is not None)


@subscribe("monitoring.customers", "customer.changed", "customer.corrected")
def rename(events: list[Event], _now: dt.datetime) -> None:
    note_customer_changes([event.aggregate_id for event in events])
