"""CloudEvents 1.0 in structured JSON mode, and what each type does to an entitlement."""

from __future__ import annotations

import re
from typing import Any

from apps.simulators.core.codec import Document, loads

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/cloudevents+json"
REQUIRED = ("id", "source", "specversion", "type")
_NAME = re.compile(r"^[a-z0-9]+$")  # attribute names are lower-case letters and digits

# The last word of an event's type and the state that it brings an entitlement to.
OUTCOMES = {
    "provision": "provisioned",
    "provisioned": "provisioned",
    "activated": "provisioned",
    "created": "provisioned",
    "change": "changed",
    "changed": "changed",
    "updated": "changed",
    "amended": "changed",
    "revoke": "revoked",
    "revoked": "revoked",
    "cancelled": "revoked",
    "canceled": "revoked",
    "deleted": "revoked",
}


class EventError(ValueError):
    """The body is no CloudEvent this service can act on."""


def parse_event(body: bytes) -> Document:
    """A structured-mode event with its required attributes. Raises EventError."""
    try:
        event: Any = loads(body)
    except (ValueError, UnicodeDecodeError):
        raise EventError("the body is not JSON") from None
    if not isinstance(event, dict):
        raise EventError("a CloudEvent is a JSON object")
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise EventError(f"the attribute {name} is required")
    if event["specversion"] != SPEC_VERSION:
        raise EventError(f"specversion {event['specversion']} is not supported, only 1.0")
    odd = [name for name in event if not _NAME.match(name) and name != "data_base64"]
    if odd:
        raise EventError(f"{odd[0]} is no attribute name: use lower-case letters and digits")
    return event


def outcome_of(event: Document) -> str:
    """provisioned, changed or revoked. Raises EventError for another type."""
    word = str(event["type"]).rpartition(".")[2]
    outcome = OUTCOMES.get(word)
    if outcome is None:
        raise EventError(
            f"the type {event['type']} is unknown here; it must end in one of "
            f"{', '.join(sorted(OUTCOMES))}"
        )
    return outcome


def subscription_of(event: Document) -> str:
    """The subscription an event is about: its subject, else data.subscription."""
    data = event.get("data") if isinstance(event.get("data"), dict) else {}
    subject = event.get("subject") or (data or {}).get("subscription")
    if not subject:
        raise EventError("the attribute subject must name the subscription")
    return str(subject)
