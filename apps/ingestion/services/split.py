"""From a stored body to the events it carries."""

import datetime as dt
from collections.abc import Sequence

from apps.connectors.base import InboundMessage
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.codec import to_json
from apps.core.errors import ErrorFacts, RejectedError
from apps.core.failpoints import failpoint
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.ingestion.models import Delivery, InboundEvent

INGESTION = system_actor("ingestion")
BATCH = 200


def split_deliveries(*, now: dt.datetime) -> int:
    """Split stored bodies into inbound events; one that cannot be read becomes a dead event with
    a case, so that a person can mend it. Returns how many bodies were split."""
    with acting(INGESTION):
        bodies = list(
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(split_at__isnull=True)
            .order_by("received_at")[:BATCH]
        )
        connections = {c.id: c for c in Connection.objects.all()}
        events: list[InboundEvent] = []
        broken: list[tuple[InboundEvent, ErrorFacts]] = []
        for body in bodies:
            _split_one(body, connections[body.connection_id], events, broken, now)
        InboundEvent.objects.bulk_create(events)
        _open_cases(broken, connections, now)
        Delivery.objects.filter(id__in=[b.id for b in bodies]).update(split_at=now)
        if events:
            enqueue_on_commit("ingestion.process")
        for connection_id in {e.connection_id for e in events if e.state == "waiting"}:
            enqueue_on_commit("ingestion.read", str(connection_id), queue="lanes")
        failpoint("split.before_commit")
    return len(bodies)


def _split_one(
    body: Delivery,
    connection: Connection,
    events: list[InboundEvent],
    broken: list[tuple[InboundEvent, ErrorFacts]],
    now: dt.datetime,
) -> None:
    try:
        messages = connector_for(connection.vendor).split(body.content_type, bytes(body.raw))
    except RejectedError as error:
        event = unreadable_event(body, error.facts, now)
        events.append(event)
        broken.append((event, error.facts))
        return
    for ordinal, message in enumerate(messages):
        events.append(event_of(body, ordinal, message, now))


def event_of(
    body: Delivery, ordinal: int, message: InboundMessage, now: dt.datetime
) -> InboundEvent:
    """The inbound event of one message; a thin message waits until the rest was fetched."""
    waits = message.needs_fetch
    return InboundEvent(
        delivery=body,
        ordinal=ordinal,
        connection_id=body.connection_id,
        event_type=message.event_type,
        object_type=message.object_type,
        object_id=message.object_id,
        source_version=message.source_version,
        ordering_key=f"{body.connection_id}:{message.object_type}:{message.object_id}",
        payload=to_json(message.payload) if message.payload is not None else None,
        state="waiting" if waits else "received",
        wait_reason="fetch" if waits else "",
        due_at=now,
        received_at=body.received_at,
    )


def unreadable_event(body: Delivery, error: ErrorFacts, now: dt.datetime) -> InboundEvent:
    """A body that nobody can read yet: dead from the start, its raw text kept for editing."""
    return InboundEvent(
        delivery=body,
        ordinal=0,
        connection_id=body.connection_id,
        event_type="unreadable",
        object_type="unreadable",
        object_id=body.message_id[:120],
        ordering_key=f"{body.connection_id}:unreadable:{body.message_id}"[:200],
        payload={"raw": bytes(body.raw).decode("utf-8", "replace")},
        state="dead",
        error_code=error.code,
        error_message=error.message,
        error_field=error.field,
        due_at=now,
        received_at=body.received_at,
    )


def _open_cases(
    broken: Sequence[tuple[InboundEvent, ErrorFacts]],
    connections: dict[object, Connection],
    now: dt.datetime,
) -> None:
    open_cases(
        [event_case(event, error, connections[event.connection_id]) for event, error in broken],
        actor=INGESTION,
        now=now,
    )


def event_case(event: InboundEvent, error: ErrorFacts, connection: Connection) -> CaseDraft:
    """The case of an inbound event that a person must help."""
    return CaseDraft(
        code=error.code,
        title=error.message.split(". ")[0][:200],
        explanation=error.message,
        detail=error.detail,
        flow="ingestion",
        lane=connection.role,
        subject_type="ingestion.event",
        subject_id=event.id,
        fingerprint=(error.code, connection.code, error.field),
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        document=event.object_id,
        facts={
            "connection": connection.code,
            "event_type": event.event_type,
            "object_type": event.object_type,
            "object_id": event.object_id,
            "field": error.field,
        },
    )
