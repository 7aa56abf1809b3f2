"""From a stored body to the events it carries."""

import datetime as dt
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.connectors.base import InboundMessage
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.codec import dumps, to_json
from apps.core.errors import ErrorFacts, RejectedError
from apps.core.failpoints import failpoint
from apps.core.halving import in_halves
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.ingestion.models import UNREADABLE, Delivery, InboundEvent
from apps.ingestion.policies import CLAIM_TTL, MAX_ATTEMPTS, together
from apps.jobs.services import note_stale_writes

logger = logging.getLogger(__name__)

INGESTION = system_actor("ingestion")
BATCH = 200
LONGEST_ID = 120
HIGHEST_VERSION = 2**63 - 1

Broken = tuple[InboundEvent, ErrorFacts]

FAULT = ErrorFacts(
    "processing_fault",
    "The hub could not take this body apart. It is kept; engineering has the details. "
    "Discard it with a reason, or ask the source to send it again after the fault is mended.",
)


def split_deliveries(*, now: dt.datetime) -> int:
    """Split stored bodies into inbound events; one that cannot be read becomes a dead event with
    a case, so that a person can mend it. Returns how many bodies were taken up."""
    with transaction.atomic():
        bodies = _claim()
    if bodies:
        connections = Connection.objects.in_bulk({b.connection_id for b in bodies})
        parts = [(b, *_split_one(b, connections.get(b.connection_id), now)) for b in bodies]
        in_halves(parts, lambda some: _store(some, connections, now), _note_fault)
    return len(bodies)


def _claim() -> list[Delivery]:
    """Take up due bodies. The attempt is counted here, as a crash reports nothing; it is also the
    epoch under which the result is stored."""
    due = Delivery.objects.select_for_update(skip_locked=True).filter(
        split_at__isnull=True, due_at__lte=Now()
    )
    bodies = together(list(due.order_by("received_at")[:BATCH]))
    Delivery.objects.filter(id__in=[b.id for b in bodies]).update(
        attempts=F("attempts") + 1, due_at=Now() + CLAIM_TTL
    )
    for body in bodies:
        body.attempts += 1
    return bodies


Parts = tuple[Delivery, list[InboundEvent], list[Broken]]


def _split_one(
    body: Delivery, connection: Connection | None, now: dt.datetime
) -> tuple[list[InboundEvent], list[Broken]]:
    """The events of a body, and those of them that a person must mend."""
    if body.attempts > MAX_ATTEMPTS or connection is None:
        return _all_broken(body, FAULT, now)
    try:
        messages = connector_for(connection.vendor).split(body.content_type, bytes(body.raw))
    except RejectedError as error:
        return _all_broken(body, error.facts, now)
    except Exception as error:
        logger.exception("the connector of %s failed on delivery %s", connection.code, body.id)
        return _all_broken(body, replace(FAULT, detail=repr(error)[:2000]), now)
    return events_of(body, messages, now)


def _all_broken(
    body: Delivery, facts: ErrorFacts, now: dt.datetime
) -> tuple[list[InboundEvent], list[Broken]]:
    event = unreadable_event(body, facts, now)
    return [event], [(event, facts)]


def _store(
    parts: Sequence[Parts],
    connections: Mapping[uuid.UUID, Connection],
    now: dt.datetime,
) -> None:
    """Store the events of bodies that are still ours, once."""
    with acting(INGESTION):
        unsplit = Delivery.objects.select_for_update().filter(
            id__in=[body.id for body, _, _ in parts], split_at__isnull=True
        )
        epochs = dict(unsplit.values_list("id", "attempts"))
        ours = [part for part in parts if epochs.get(part[0].id) == part[0].attempts]
        note_stale_writes("ingestion.split", len(parts) - len(ours))
        events = [event for _, found, _ in ours for event in found]
        InboundEvent.objects.bulk_create(events)
        open_event_cases([each for _, _, broken in ours for each in broken], connections, now)
        Delivery.objects.filter(id__in=[body.id for body, _, _ in ours]).update(split_at=now)
        if events:
            enqueue_on_commit("ingestion.process")
        for connection_id in {e.connection_id for e in events if e.state == "waiting"}:
            enqueue_on_commit("ingestion.read", str(connection_id), queue="lanes")
        failpoint("split.before_commit")


def _note_fault(part: Parts, error: Exception) -> None:
    """A body whose events could not be stored stays due: it is tried again when its claim ends,
    alone, and after the fifth time given to a person unread."""
    logger.error("delivery %s could not be split: %r", part[0].id, error)


def events_of(
    body: Delivery, messages: Sequence[InboundMessage], now: dt.datetime
) -> tuple[list[InboundEvent], list[Broken]]:
    """The inbound events of a body's messages, and those of them that a person must mend."""
    events: list[InboundEvent] = []
    broken: list[Broken] = []
    for ordinal, message in enumerate(messages):
        fault = fault_of(message)
        if fault is None:
            events.append(event_of(body, ordinal, message, now))
            continue
        event = unreadable_event(body, fault, now, ordinal, own=own_text(body, message))
        events.append(event)
        broken.append((event, fault))
    return events, broken


def fault_of(message: InboundMessage) -> ErrorFacts | None:
    """Why a message cannot be read, or why its own id or version cannot be kept."""
    if message.fault is not None:
        return message.fault
    key, version = message.object_id, message.source_version
    if 0 < len(key) <= LONGEST_ID and "\x00" not in key and 0 <= version <= HIGHEST_VERSION:
        return None
    return ErrorFacts(
        "malformed_payload",
        f"A {message.object_type} of this message has an id or a version that cannot be kept. "
        f"Edit the payload and retry, or discard the message with a reason.",
        detail=dumps(f"{key[:400]} at version {version}"),
        field="id",
    )


def event_of(
    body: Delivery, ordinal: int, message: InboundMessage, now: dt.datetime
) -> InboundEvent:
    """The inbound event of one message; a thin message waits until the rest was fetched."""
    waits = message.needs_fetch
    return InboundEvent(
        delivery=body,
        ordinal=ordinal,
        connection_id=body.connection_id,
        event_type=message.event_type[:80],
        object_type=message.object_type,
        object_id=message.object_id,
        source_version=message.source_version,
        follows=message.follows,
        ordering_key=f"{body.connection_id}:{message.object_type}:{message.object_id}",
        payload=to_json(message.payload) if message.payload is not None else None,
        state="waiting" if waits else "received",
        wait_reason="fetch" if waits else "",
        due_at=now,
        received_at=body.received_at,
    )


def own_text(body: Delivery, message: InboundMessage) -> str | None:
    """The text of one message of a page, which a source lists but never sends as one body."""
    if body.channel != "poll" or message.payload is None:
        return None
    return dumps(message.payload)


def unreadable_event(
    body: Delivery,
    error: ErrorFacts,
    now: dt.datetime,
    ordinal: int = 0,
    *,
    own: str | None = None,
) -> InboundEvent:
    """A body that nobody can read yet: dead from the start, its raw text kept for editing; of a
    page only the message's own."""
    return InboundEvent(
        delivery=body,
        ordinal=ordinal,
        connection_id=body.connection_id,
        event_type=UNREADABLE,
        object_type=UNREADABLE,
        object_id=body.message_id[:LONGEST_ID],
        ordering_key=f"{body.connection_id}:unreadable:{body.message_id}:{ordinal}"[:200],
        payload=to_json({"raw": own or bytes(body.raw).decode("utf-8", "replace")}),
        state="dead",
        error_code=error.code,
        error_message=error.message,
        error_field=error.field,
        due_at=now,
        received_at=body.received_at,
    )


def open_event_cases(
    broken: Sequence[Broken], connections: Mapping[uuid.UUID, Connection], now: dt.datetime
) -> None:
    """The cases of events that a person must mend."""
    drafts = [event_case(e, error, connections.get(e.connection_id)) for e, error in broken]
    open_cases(drafts, actor=INGESTION, now=now)


def _title(event: InboundEvent, error: ErrorFacts, connection: Connection | None) -> str:
    """One line that says which message it is; what is wrong with its field, the explanation
    says."""
    of_a_field = error.code == "malformed_payload" and error.field
    if not of_a_field or connection is None or event.object_type == UNREADABLE:
        return error.message.split(". ")[0]
    field, noun = (name.replace("_", " ") for name in (error.field, event.object_type))
    return f"The {field} of {connection.name}'s {noun} {event.object_id} cannot be read"


def event_case(event: InboundEvent, error: ErrorFacts, connection: Connection | None) -> CaseDraft:
    """The case of an inbound event that a person must help."""
    code, role = (connection.code, connection.role) if connection else ("unknown", "")
    return CaseDraft(
        code=error.code,
        title=_title(event, error, connection)[:200],
        explanation=error.message,
        detail=error.detail,
        flow="ingestion",
        lane=role,
        subject_type="ingestion.event",
        subject_id=event.id,
        fingerprint=(error.code, code, error.field),
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        document=event.object_id,
        facts={
            "connection": code,
            "event_type": event.event_type,
            "object_type": event.object_type,
            "object_id": event.object_id,
            "field": error.field,
        },
    )
