"""What starts runs and what they hear."""

import datetime as dt
import uuid
from decimal import Decimal

from apps.core.principal import Actor
from apps.events.models import Event
from apps.events.registry import subscribe
from apps.workflows import actions, definitions  # noqa: F401 - fills the registry
from apps.workflows.policies import REVERSE
from apps.workflows.services import (
    carry_out,
    raise_signals,
    settle_postings,
    settle_undos,
    start_runs,
)
from apps.workflows.services.proposals import KINDS
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
    "posting.cancelled",
)
def hear_postings(events: list[Event], now: dt.datetime) -> None:
    forward = [e for e in events if e.type != "posting.cancelled" and not _undoes(e)]
    if forward:
        settle_postings([uuid.UUID(str(event.aggregate_id)) for event in forward], now=now)
    back = [e for e in events if e.type == "posting.cancelled" or _undoes(e)]
    settle_undos([uuid.UUID(str(event.aggregate_id)) for event in back], now=now)


def _undoes(event: Event) -> bool:
    return str(event.data.get("purpose", "")).startswith(REVERSE)


@subscribe("workflows.approvals", "approval.approved")
def hear_approvals(events: list[Event], now: dt.datetime) -> None:
    for event in events:
        data = event.data
        if data.get("kind") in KINDS:
            checker = Actor("user", str(data["decided_by_id"]), str(data["decided_by"]))
            carry_out(uuid.UUID(str(event.aggregate_id)), actor=checker, now=now)


@subscribe(
    "workflows.signals",
    "order.booked",
    "amendment.applied",
    "entitlement.provisioned",
    "entitlement.changed",
    "entitlement.revoked",
)
def hear_signals(events: list[Event], now: dt.datetime) -> None:
    """``signal`` in an event's data is the key that steps may wait for."""
    raise_signals({e.data["signal"]: e.data for e in events if e.data.get("signal")}, now=now)


@subscribe("workflows.given_up", "run.cancelled", "run.compensated")
def hear_given_up(events: list[Event], now: dt.datetime) -> None:
    """The next amendment of a contract waits no longer for one that will never be applied."""
    over = [e.data for e in events if e.data["definition"] == "amendment"]
    raise_signals({f"amendment_over:{data['subject_id']}": data for data in over}, now=now)
