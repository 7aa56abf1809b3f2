"""What starts runs and what they hear."""

import datetime as dt
import uuid
from decimal import Decimal

from apps.events.models import Event
from apps.events.registry import subscribe
from apps.workflows import actions, definitions  # noqa: F401 - fills the registry
from apps.workflows.services import raise_signals, settle_postings, start_runs
from apps.workflows.types import RunDraft

STARTS = {
    "order.created": "order_activation",
    "amendment.created": "amendment",
    "invoice.created": "invoice_posting",
}


@subscribe("workflows.starts", *STARTS)
def start(events: list[Event], now: dt.datetime) -> None:
    start_runs([_draft(event) for event in events], now=now)


def _draft(event: Event) -> RunDraft:
    data = event.data
    return RunDraft(
        definition=STARTS[event.type],
        key=str(event.aggregate_id),
        subject_type=event.aggregate_type,
        subject_id=event.aggregate_id,
        label=data["number"],
        ordering_key=f"contract:{data['contract_id']}",
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        amount=Decimal(data["amount"]) if data.get("amount") is not None else None,
        currency=data.get("currency", ""),
    )


@subscribe(
    "workflows.postings",
    "posting.confirmed",
    "posting.rejected",
    "posting.dead",
    "posting.parked",
    "posting.requeued",
)
def hear_postings(events: list[Event], now: dt.datetime) -> None:
    settle_postings([uuid.UUID(str(event.aggregate_id)) for event in events], now=now)


@subscribe(
    "workflows.signals",
    "order.booked",
    "entitlement.provisioned",
    "entitlement.changed",
    "entitlement.revoked",
)
def hear_signals(events: list[Event], now: dt.datetime) -> None:
    """``signal`` in an event's data is the key that steps may wait for."""
    raise_signals({e.data["signal"]: e.data for e in events if e.data.get("signal")}, now=now)
