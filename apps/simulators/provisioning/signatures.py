"""Standard Webhooks 1.0: HMAC-SHA256 over "id.timestamp.body"."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

TOLERANCE_SECONDS = 300


class SignatureError(ValueError):
    """The headers do not prove that the body came from the holder of the secret."""


def key_bytes(secret: str) -> bytes:
    """The key inside a `whsec_…` secret. Raises ValueError when it is not base64."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("a secret is whsec_ followed by base64") from None


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(secret: str, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    timestamp = int(now.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }


def verify(secrets: list[str], headers: Mapping[str, str], now: datetime, body: bytes) -> str:
    """Return the message id. Raises SignatureError for a missing, old or wrong signature."""
    message_id, stamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split(" ")
    if not message_id or not stamp.isdecimal():
        raise SignatureError("Missing required headers")
    if abs(int(now.timestamp()) - int(stamp)) > TOLERANCE_SECONDS:
        raise SignatureError("Message timestamp too old or too new")
    for secret in secrets:
        expected = signature(secret, message_id, int(stamp), body)
        if any(hmac.compare_digest(expected, each) for each in given):
            return message_id
    raise SignatureError("No matching signature found")
