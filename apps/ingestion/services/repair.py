"""Inbound events that go on after a person, a dependency or a deadline said so."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.canonical.selectors import known_keys
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.codec import to_json
from apps.core.errors import ErrorFacts, RejectedError
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import open_cases
from apps.ingestion.models import UNREADABLE, InboundEvent
from apps.ingestion.services.again import read_again
from apps.ingestion.services.split import INGESTION, event_case

# What only the source can mend: a retry reads the object there instead of the message that came.
MENDED_AT_SOURCE = ("acceptance_without_approval",)
AGAIN: dict[str, Any] = {
    "attempts": 0,
    "error_code": "",
    "error_message": "",
    "wait_reason": "",
    "waits_for": "",
    "follows": 0,  # what it waited for came, or a person says that it need not
}


def receive_again(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Process events again with the payload they have; returns those that moved.

    One that could not be read is taken apart again, and stays where it is when it still cannot.
    One that only its source can mend is read there anew.
    """
    with acting(actor):
        stale = _to_be_fetched(ids)
        unread = InboundEvent.objects.filter(id__in=ids, state="dead", object_type=UNREADABLE)
        unreadable = list(unread.values_list("id", flat=True))
        rest = [pk for pk in ids if pk not in unreadable]
        moved = transition_set(
            InboundEvent, "receive_again", rest, due_at=now, deadline=None, **AGAIN
        )
        _fetch([event for event in stale if event.id in moved])
        enqueue_on_commit("ingestion.process")
        return moved + [pk for pk in unreadable if _is_read(pk, actor, now)]


def _to_be_fetched(ids: Sequence[uuid.UUID]) -> list[InboundEvent]:
    refused = InboundEvent.objects.filter(
        id__in=ids, state="dead", error_code__in=MENDED_AT_SOURCE, edited_payload__isnull=True
    )
    vendors = dict(Connection.objects.values_list("id", "vendor"))
    return [
        event for event in refused
        if event.object_type in connector_for(vendors[event.connection_id]).fetched_types
    ]  # fmt: skip


def _fetch(events: Sequence[InboundEvent]) -> None:
    """Let the lane read these objects from their source before they are processed."""
    transition_rows(
        InboundEvent, "wait", [(event.id, {"wait_reason": "fetch"}) for event in events]
    )
    for connection_id in {event.connection_id for event in events}:
        enqueue_on_commit("ingestion.read", str(connection_id), queue="lanes")


def _is_read(event_id: uuid.UUID, actor: Actor, now: dt.datetime) -> bool:
    try:
        return read_again(event_id, None, actor=actor, now=now) is not None
    except RejectedError:
        return False


def edit_unreadable(
    event_id: uuid.UUID, text: str, *, actor: Actor, now: dt.datetime
) -> InboundEvent | None:
    """Take a message apart as a person edited it; None when it waits for nobody any more.

    Raises ``RejectedError`` naming what still cannot be read; then nothing changed.
    """
    with acting(actor):
        event = read_again(event_id, text, actor=actor, now=now)
        if event is not None:
            publish_events([_told(event, "edited")], actor=actor, now=now)
    return event


def edit_and_receive(
    edits: Mapping[uuid.UUID, Mapping[str, Any]], *, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Process events with a person's payload; the original stays beside it, untouched."""
    rows = [
        (event_id, {**AGAIN, "due_at": now, "edited_payload": to_json(payload)})
        for event_id, payload in edits.items()
    ]
    with acting(actor):
        moved = transition_rows(InboundEvent, "receive_again", rows)
        events = InboundEvent.objects.filter(id__in=moved)
        publish_events([_told(e, "edited") for e in events], actor=actor, now=now)
        enqueue_on_commit("ingestion.process")
    return moved


def discard_events(
    ids: Sequence[uuid.UUID], *, reason: str, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Give events up for good, with the reason a person gave."""
    with acting(actor):
        moved = transition_set(
            InboundEvent, "ignore", ids, outcome="discarded", error_message=reason,
            processed_at=now,
        )  # fmt: skip
        events = InboundEvent.objects.filter(id__in=moved)
        publish_events([_told(e, "discarded") for e in events], actor=actor, now=now)
        wake_versions([e.ordering_key for e in events], now=now)
    return moved


def wake_waiting(keys: Sequence[str], *, now: dt.datetime) -> list[uuid.UUID]:
    """Go on with the events that waited for these records."""
    with acting(INGESTION):
        ids = list(
            InboundEvent.objects.filter(state="waiting", waits_for__in=keys).values_list(
                "id", flat=True
            )
        )
        moved = transition_set(
            InboundEvent, "receive_again", ids, due_at=now, deadline=None, **AGAIN
        )
        if moved:
            enqueue_on_commit("ingestion.process")
    return moved


def wake_versions(ordering_keys: Sequence[str], *, now: dt.datetime) -> list[uuid.UUID]:
    """Look again at events that were held for an earlier version of these objects."""
    held = InboundEvent.objects.filter(
        state="waiting", wait_reason="version", ordering_key__in=ordering_keys
    )
    ids = list(held.values_list("id", flat=True)) if ordering_keys else []
    with acting(INGESTION):
        moved = transition_set(
            InboundEvent, "receive_again", ids, due_at=now, deadline=None, attempts=0,
            wait_reason="", waits_for="",
        )  # fmt: skip
        if moved:
            enqueue_on_commit("ingestion.process")
    return moved


def wake_known(*, now: dt.datetime) -> list[uuid.UUID]:
    """Go on with events whose record appeared in the moment in which they began to wait."""
    keys = set(
        InboundEvent.objects.filter(state="waiting", wait_reason="dependency").values_list(
            "waits_for", flat=True
        )
    )
    known = known_keys(keys)
    return wake_waiting(sorted(known), now=now) if known else []


def expire_waiting(*, now: dt.datetime) -> int:
    """Ask a person about events whose dependency did not come before its deadline."""
    with acting(INGESTION):
        late = list(
            InboundEvent.objects.select_for_update(skip_locked=True).filter(
                state="waiting", deadline__lte=now
            )[:200]
        )
        moved = set(
            transition_set(
                InboundEvent, "die", [e.id for e in late], error_code="dependency_overdue"
            )
        )
        connections = Connection.objects.in_bulk({e.connection_id for e in late})
        open_cases(
            [
                event_case(e, _overdue(e), connections.get(e.connection_id))
                for e in late
                if e.id in moved
            ],
            actor=INGESTION,
            now=now,
        )
    return len(moved)


def _overdue(event: InboundEvent) -> ErrorFacts:
    return ErrorFacts(
        "dependency_overdue",
        f"{event.object_id} waits for {event.waits_for}, which has not arrived in time. "
        f"Look for it at the source; retry when it is there, or discard with a reason.",
        field=event.waits_for[:120],
    )


def _told(event: InboundEvent, what: str) -> NewEvent:
    return NewEvent(
        type=f"inbound.{what}",
        aggregate_type="inbound_event",
        aggregate_id=event.id,
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        data={"object_type": event.object_type, "object_id": event.object_id},
    )
