"""Callbacks of provisioning: CloudEvents under Standard Webhooks headers."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import BadDelivery, DoorConfig, InboundMessage, VerifiedBody
from apps.connectors.doors import (
    check_age,
    check_content_type,
    is_same,
    lower_names,
    read_object,
    texts,
)
from apps.connectors.vendors.provisioning.client import CLOUD_EVENT, signature
from apps.core.codec import loads
from apps.core.errors import RejectedError

TYPES = ("provisioned", "changed", "revoked", "failed")


def verify(
    door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
) -> VerifiedBody:
    """Check signature, age and envelope. Raises ``BadDelivery``."""
    named = lower_names(headers)
    message_id, stamp = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    given = [s for s in named.get("webhook-signature", "").split() if s.startswith("v1,")]
    if not message_id or not stamp.isdecimal() or not given:
        raise BadDelivery(
            "unsigned",
            "webhook-id, webhook-timestamp or webhook-signature is missing or incomplete.",
            401,
        )
    expected = [
        signature(secret, message_id, stamp, body)
        for secret in texts(door.secrets.get("webhook_secrets"))
    ]
    if not any(is_same(one, own) for one in given for own in expected):
        raise BadDelivery(
            "bad_signature",
            "The signature does not fit the body. Check the endpoint's signing secret.",
            401,
        )
    check_age(stamp, now, message_id)
    check_content_type(named, (CLOUD_EVENT, "application/json"))
    _check_event(read_object(body, message_id), message_id)
    return VerifiedBody(message_id)


def _check_event(event: Mapping[str, Any], message_id: str) -> None:
    version = str(event.get("specversion") or "")
    if version != "1.0":
        raise BadDelivery(
            "future_version",
            f"CloudEvents specversion is {version or 'missing'}; the hub reads 1.0.",
            422,
            message_id,
        )
    missing = [name for name in ("id", "source", "type") if not event.get(name)]
    if missing:
        raise BadDelivery("malformed", f"The event has no {', '.join(missing)}.", 400, message_id)
    if str(event["type"]).rpartition(".")[2] not in TYPES:
        raise BadDelivery(
            "unknown_type",
            f"{event['type']!r} is no entitlement event; the hub knows {', '.join(TYPES)}.",
            422,
            message_id,
        )


def split(body: bytes) -> Sequence[InboundMessage]:
    """The entitlement of a verified event. Raises ``RejectedError`` when it names none."""
    return [event_message(loads(body))]


def event_message(event: Mapping[str, Any]) -> InboundMessage:
    """An entitlement event as a message. Events of one subject are applied in the order that
    ``sequence`` counts (CloudEvents' Sequence extension) where the platform sends it.

    Raises ``RejectedError`` when it names no reference of the hub.
    """
    data = event.get("data")
    if not isinstance(data, dict) or not data.get("reference"):
        raise RejectedError(
            "malformed_payload",
            f"Event {event.get('id')} carries no reference of the hub. Edit the payload so that "
            f"data.reference names it, then retry.",
            field="data.reference",
        )
    sequence = _sequence(event)
    return InboundMessage(
        event_type=str(event["type"]),
        object_type="callback",
        object_id=str(event.get("subject") or event["id"]),
        source_version=sequence or _version(event),
        payload={**event, "status": str(event["type"]).rpartition(".")[2]},
        follows=max(0, sequence - 1),
        message_id=str(event["id"]),
    )


def _sequence(event: Mapping[str, Any]) -> int:
    """The event's place among those of its subject, from 1; 0 when it does not say."""
    text = str(event.get("sequence") or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _version(event: Mapping[str, Any]) -> int:
    """Milliseconds of the event's time; events of one subject rise with it."""
    time = str(event.get("time") or "1970-01-01T00:00:00Z").replace("Z", "+00:00")
    return int(dt.datetime.fromisoformat(time).timestamp() * 1000)
