"""A message that nobody could read, taken apart again: as a person edited it, or as it came.

It is classified as if it had just arrived: the connector splits it, and the event gets the type,
object, version and place in the order that its new content names. The raw text that came stays in
``payload`` and in its delivery. Several messages of one body keep their places; those that were
read the first time are not made twice.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from apps.connectors.base import InboundMessage
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.errors import RejectedError
from apps.core.fsm import transition_rows
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting
from apps.ingestion.models import UNREADABLE, InboundEvent
from apps.ingestion.services.split import event_of, events_of, fault_of, open_event_cases

logger = logging.getLogger(__name__)

CLASSIFIED = (
    "event_type", "object_type", "object_id", "source_version", "follows", "ordering_key",
)  # fmt: skip


def read_again(
    event_id: uuid.UUID, text: str | None, *, actor: Actor, now: dt.datetime
) -> InboundEvent | None:
    """Take an unreadable message apart again; ``text`` None: as it came, after a connector was
    mended. None when it does not wait for a person any more.

    Raises ``RejectedError`` naming what still cannot be read; then nothing changed.
    """
    with acting(actor):
        event = _locked(event_id)
        if event is None:
            return None
        connection = Connection.objects.get(id=event.connection_id)
        messages = _split(event, connection, text)
        place = 0 if event.delivery.channel == "poll" else event.ordinal
        own = _own(messages, place)
        _classify(event, own, now, edited=text is not None)
        _store_others(event, messages, connection, now)
        enqueue_on_commit("ingestion.process")
        enqueue_on_commit("ingestion.read", str(connection.id), queue="lanes")
    return InboundEvent.objects.get(id=event_id)


def _locked(event_id: uuid.UUID) -> InboundEvent | None:
    rows = InboundEvent.objects.select_for_update(of=("self",)).select_related("delivery")
    found: InboundEvent | None = rows.filter(
        id=event_id, state="dead", object_type=UNREADABLE
    ).first()
    return found


def _split(
    event: InboundEvent, connection: Connection, text: str | None
) -> Sequence[InboundMessage]:
    body = event.raw_text.encode() if text is None else text.encode()
    if text is None and event.delivery.channel != "poll":
        body = bytes(event.delivery.raw)
    try:
        return connector_for(connection.vendor).split(event.delivery.content_type, body)
    except RejectedError:
        raise
    except Exception as error:
        logger.exception("the connector of %s failed on event %s", connection.code, event.id)
        raise RejectedError(
            "processing_fault",
            "The hub could not take this message apart; engineering has the details. Check its "
            "form against another message of the same kind, or discard it with a reason.",
            detail=repr(error)[:2000],
        ) from error


def _own(messages: Sequence[InboundMessage], place: int) -> InboundMessage:
    if place >= len(messages):
        raise RejectedError(
            "malformed_payload",
            "This message holds nothing that the hub acts on. Correct its type, or discard it "
            "with a reason." if not messages else
            f"The body has {len(messages)} messages now, and this case is about number "
            f"{place + 1}. Keep the messages and their order.",
            field="type",
        )  # fmt: skip
    fault = fault_of(messages[place])
    if fault is not None:
        raise RejectedError(fault.code, fault.message, detail=fault.detail, field=fault.field)
    return messages[place]


def _classify(
    event: InboundEvent, message: InboundMessage, now: dt.datetime, *, edited: bool
) -> None:
    """Give the event what its message says; one that brings only an id waits to be fetched."""
    fresh = event_of(event.delivery, event.ordinal, message, now)
    values: dict[str, Any] = {name: getattr(fresh, name) for name in CLASSIFIED}
    values |= {
        "edited_payload" if edited else "payload": fresh.payload, "due_at": now, "attempts": 0,
        "error_code": "", "error_message": "", "error_field": "",
    }  # fmt: skip
    transition_rows(InboundEvent, "receive_again", [(event.id, values)])
    if message.needs_fetch:
        transition_rows(InboundEvent, "wait", [(event.id, {"wait_reason": fresh.wait_reason})])


def _store_others(
    event: InboundEvent,
    messages: Sequence[InboundMessage],
    connection: Connection,
    now: dt.datetime,
) -> None:
    """The other messages of the body that no event stands for yet."""
    if event.delivery.channel == "poll":  # its page was split message by message
        return
    stored = InboundEvent.objects.filter(delivery=event.delivery)
    known = set(stored.values_list("ordinal", flat=True))
    made, broken = events_of(event.delivery, messages, now)
    InboundEvent.objects.bulk_create([each for each in made if each.ordinal not in known])
    fresh = [pair for pair in broken if pair[0].ordinal not in known]
    open_event_cases(fresh, {connection.id: connection}, now)
