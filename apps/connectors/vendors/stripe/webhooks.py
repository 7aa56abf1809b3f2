"""Stripe-Signature: HMAC-SHA256 over "t.body", tolerance 300 s, several secrets in rotation."""

import datetime as dt
import hashlib
import hmac
import json
import re
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
from apps.connectors.vendors.stripe.client import API_VERSION
from apps.connectors.vendors.stripe.schemas import event_message
from apps.core.codec import loads
from apps.core.errors import RejectedError

# First words of Stripe's event names that a billing account can send.
FAMILIES = frozenset(
    {"account", "balance", "billing", "billing_portal", "charge", "checkout", "coupon",
     "credit_note", "customer", "invoice", "invoice_payment", "invoiceitem", "mandate",
     "payment_intent", "payment_link", "payment_method", "payout", "person", "plan", "price",
     "product", "promotion_code", "quote", "refund", "setup_intent", "source",
     "subscription_schedule", "tax", "tax_rate", "test_helpers"}
)  # fmt: skip
_TOPIC = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")


def verify(
    door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
) -> VerifiedBody:
    """Check signature, age and envelope. Raises ``BadDelivery``."""
    named = lower_names(headers)
    stamp, signatures = _parts(named.get("stripe-signature", ""))
    signed = f"{stamp}.".encode() + body
    expected = [
        hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        for secret in texts(door.secrets.get("webhook_secrets"))
    ]
    if not any(is_same(given, own) for given in signatures for own in expected):
        raise BadDelivery(
            "bad_signature",
            "The signature does not fit the body. Check the endpoint's signing secret.",
            401,
        )
    check_age(stamp, now)
    check_content_type(named, ("application/json",))
    return VerifiedBody(_check_event(read_object(body)))


def _parts(header: str) -> tuple[str, list[str]]:
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(stamps) != 1 or not stamps[0].isdecimal() or not signatures:
        raise BadDelivery(
            "unsigned",
            "The header Stripe-Signature is missing or incomplete: t=<unix time>,v1=<signature>.",
            401,
        )
    return stamps[0], signatures


def _check_event(event: Mapping[str, Any]) -> str:
    """The event's id. Raises ``BadDelivery`` for what is no event of a version we read."""
    key, topic = event.get("id"), event.get("type")
    if not isinstance(key, str) or not key or not isinstance(event.get("created"), int):
        raise BadDelivery("malformed", "The event has no id or no creation time.", 400)
    known = isinstance(topic, str) and _TOPIC.match(topic) and topic.split(".")[0] in FAMILIES
    if event.get("object") != "event" or not known:
        raise BadDelivery(
            "unknown_type", f"{topic!r} is no event type of Stripe Billing.", 422, key
        )
    version = str(event.get("api_version") or API_VERSION)
    if version[:10] > API_VERSION[:10]:
        raise BadDelivery(
            "future_version",
            f"The event has API version {version}; the hub reads up to {API_VERSION}. Pin the "
            f"webhook endpoint to that version.",
            422,
            key,
        )
    return key


def split(body: bytes) -> Sequence[InboundMessage]:
    """The messages of a verified event: an invoice, or nothing the hub acts on.

    Raises ``RejectedError`` when an invoice event cannot be read.
    """
    try:
        event = loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RejectedError(
            "malformed_payload", f"The event is not JSON: {error}. Edit the payload, then retry."
        ) from error
    message = event_message(event)
    return [] if message is None else [message]
