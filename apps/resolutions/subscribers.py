"""Cases close themselves when their subject goes through; remedies settle with them."""

import datetime as dt
import uuid

from apps.core.principal import Actor
from apps.events.models import Event
from apps.events.registry import subscribe
from apps.resolutions.services import (
    carry_out_decisions,
    close_succeeded,
    drop_proposals,
    retry_mapped,
    settle_tried,
    supersede_older,
    unsettle_reopened,
)
from apps.resolutions.services.decisions import OUTCOME_KIND
from apps.resolutions.types import SET_ASIDE

SUBJECT_TYPES = {
    "posting": "postings.posting",
    "step": "workflows.step",
    "inbound_event": "ingestion.event",
    "set_aside": SET_ASIDE,
}


@subscribe(
    "resolutions.success",
    "posting.confirmed",
    "step.succeeded",
    "inbound.processed",
    "inbound.ignored",
    "set_aside.handed_over",
)
def close(events: list[Event], now: dt.datetime) -> None:
    close_succeeded(
        [((SUBJECT_TYPES[e.aggregate_type], e.aggregate_id), _reason(e)) for e in events],
        now=now,
    )
    applied = [e.aggregate_id for e in events if e.type == "inbound.processed"]
    if applied:
        supersede_older(applied, now=now)


def _reason(event: Event) -> str:
    data = event.data
    if event.type == "posting.confirmed":
        return f"{data.get('document') or data.get('operation')} was posted and confirmed."
    if event.type == "step.succeeded":
        step = str(data.get("step", "")).replace("_", " ")
        return f"{data.get('label')}: the step {step} succeeded."
    if event.type == "set_aside.handed_over":
        return f"{data.get('event_type')} was handed over to {data.get('subscriber')}."
    if event.type == "inbound.ignored":
        return "A newer version of the same object was applied before."
    return f"{data.get('object_id')} was processed ({data.get('outcome')})."


@subscribe(
    "resolutions.outcomes",
    "exception.resolved",
    "exception.repeated",
    "exception.dismissed",
    "exception.reopened",
)
def settle(events: list[Event], now: dt.datetime) -> None:
    """In the order of the events: a case may fail again and then hold."""
    for event in events:
        if event.type == "exception.reopened":
            unsettle_reopened([event.aggregate_id], now=now)
            continue
        held = event.type == "exception.resolved"
        settle_tried(
            event.aggregate_id,
            held=held,
            note=str(event.data.get("note" if held else "title") or ""),
            rev=event.aggregate_version,
            now=now,
        )


@subscribe("resolutions.mappings", "mapping_version.active")
def retry_settled(events: list[Event], now: dt.datetime) -> None:
    """A value map has a new active version: the cases that waited for one of its values go on,
    in the name of the person who approved it."""
    for event in events:
        actor = Actor(event.actor_kind, event.actor_id, event.actor_label)
        retry_mapped([str(event.data.get("mapping", ""))], actor=actor, now=now)


@subscribe(
    "resolutions.approvals",
    "approval.approved",
    "approval.rejected",
    "approval.expired",
    "approval.stale",
)
def decide(events: list[Event], now: dt.datetime) -> None:
    for event in events:
        data = event.data
        if event.type != "approval.approved":
            word = event.type.removeprefix("approval.")
            note = f"The request was {word}. {data.get('note') or ''}".strip()
            drop_proposals([event.aggregate_id], note=note, now=now)
        elif data.get("kind") == OUTCOME_KIND:
            checker = Actor("user", str(data["decided_by_id"]), str(data["decided_by"]))
            carry_out_decisions([(uuid.UUID(str(event.aggregate_id)), checker)], now=now)
