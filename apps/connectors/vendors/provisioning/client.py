"""CloudEvents 1.0 in structured JSON, signed by Standard Webhooks."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from apps.connectors.errors import broken, error_for, silence
from apps.connectors.http import Answer, Request, Session, json_content
from apps.connectors.limits import retry_after
from apps.core.errors import ConfigurationError, HubError

CLOUD_EVENT = "application/cloudevents+json"
SOURCE = "/q2c-hub"


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """``v1,<base64>`` over "id.timestamp.body" (standard-webhooks 1.0.0).

    Raises ``ConfigurationError`` for a secret that is no ``whsec_`` base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ConfigurationError(
            "misconfigured",
            "The provisioning secret is not whsec_ and base64. Enter it again under Connectors.",
        ) from error
    signed = f"{message_id}.{stamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


async def send_event(session: Session, operation: str, event: Mapping[str, Any]) -> Answer:
    """Send one event; its id is the message id, so a repetition is recognised there."""
    body = json_content(event)
    stamp = str(int(session.clock().timestamp()))
    secret = session.secrets.get("signing_secret") or session.secret("signing_secret")
    request = Request(
        operation,
        "POST",
        "/events",
        headers={
            "webhook-id": str(event["id"]),
            "webhook-timestamp": stamp,
            "webhook-signature": signature(str(secret), str(event["id"]), stamp, body),
        },
        content=body,
        content_type=CLOUD_EVENT,
        writes=True,
    )
    return await session.send(request, lambda answer: refusal(session, answer, writes=True))


async def read(session: Session, operation: str, path: str, **query: str) -> Any:
    """One document. Raises the errors of ``refusal``."""
    request = Request(operation, "GET", path, query=list(query.items()))
    answer = await session.send(request, lambda given: refusal(session, given, writes=False))
    return answer.json()


def refusal(session: Session, answer: Answer, *, writes: bool) -> HubError | None:
    """The error of an answer: 401 and 403 stop the connection, 429 waits, 4xx is a refusal."""
    name = session.vendor_name
    if answer.is_success:
        if answer.content and answer.json_or_none() is None:
            return silence(name, writes=writes, detail="the answer is cut off or no JSON")
        return None
    words = answer.content[:300].decode("utf-8", "replace")
    if answer.status >= 500:
        return broken(name, answer.status, writes=writes, detail=words)
    return _refused(name, answer, words)


def _refused(name: str, answer: Answer, words: str) -> HubError:
    if answer.status in (401, 403):
        return error_for("not_authorised", f"{name} refuses the hub's signature: {words}")
    if answer.status == 429:
        wait = retry_after(answer.headers, 1.0)
        return error_for(
            "rate_limited", f"{name} asks the hub to slow down.", retry_after=wait, detail=words
        )
    code = "not_found" if answer.status == 404 else "rejected_by_vendor"
    return error_for(code, f"{name} refuses the message: {words}", detail=words)
