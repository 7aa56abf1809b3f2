"""The webhook door: verified, stored, acknowledged. No Redis, no Celery, no call out.

What is refused is kept for a person, capped, and changes nothing else. Every body that is not
verified gets one answer, whether its address exists or not, so that guessing tells nothing; the
exact reason is kept with the body.
"""

import datetime as dt
import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.api.door import Refused, check_message_id, check_size, header_map, read_body
from apps.api.problems import plain_problem
from apps.connectors.base import BadDelivery, VerifiedBody
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.selectors import door_config, find_connection
from apps.core.clock import utc_now
from apps.core.errors import ConfigurationError
from apps.core.failpoints import failpoint
from apps.ingestion.services import quarantine, receive_delivery
from apps.ingestion.types import Refusal

logger = logging.getLogger(__name__)

NOT_VERIFIED = (
    "The message is not signed by a source known at this address. Check the address and the "
    "signing secret."
)
UNKNOWN_ADDRESS = "No connection has this address. Check the address that the source sends to."


@csrf_exempt
def receive(request: HttpRequest, code: str, token: str | None = None) -> HttpResponse:
    """Take one message of a connection. 2xx says that it is stored."""
    if request.method != "POST":
        response = plain_problem(405, "method", "Send messages by POST.")
        response.headers["Allow"] = "POST"
        return response
    try:
        return _receive(request, code, token or "", utc_now())
    except (OperationalError, InterfaceError):
        logger.exception("a message for %s could not be stored", code)
        return _try_later("unavailable", "The message could not be stored. Send it again.")


def _receive(request: HttpRequest, code: str, token: str, now: dt.datetime) -> HttpResponse:
    body = read_body(request)
    headers = header_map(request.headers, token)
    connection = find_connection(code)
    try:
        verified = _verify(connection, headers, body, now)
        _store(connection, headers, body, verified.message_id, now)
    except Refused as refused:
        _keep(connection, refused.refusal, headers, body, now)
        return _answer(refused.refusal)
    except ConfigurationError as error:
        logger.error("%s cannot verify messages: %s", code, error.facts.message)  # noqa: TRY400
        return _try_later("not_configured", "Messages cannot be verified now. Send it again.")
    failpoint("inbox.after_commit_before_response")
    return HttpResponse(
        verified.reply_body,
        status=verified.reply_status,
        content_type=verified.reply_content_type,
    )


def _verify(
    connection: Connection | None, headers: dict[str, str], body: bytes, now: dt.datetime
) -> VerifiedBody:
    check_size(body)
    if connection is None:
        raise Refused(401, "unknown_address", UNKNOWN_ADDRESS)
    try:
        verified = connector_for(connection.vendor).verify(
            door_config(connection), headers, body, now
        )
    except BadDelivery as bad:
        raise Refused(bad.status, bad.reason, bad.explanation, bad.message_id) from bad
    check_message_id(verified.message_id)
    return verified


def _store(
    connection: Connection | None,
    headers: dict[str, str],
    body: bytes,
    message_id: str,
    now: dt.datetime,
) -> None:
    assert connection is not None  # noqa: S101 - a verified body has one
    receipt = receive_delivery(
        connection_id=connection.id,
        channel="webhook",
        message_id=message_id,
        raw=body,
        content_type=headers.get("content-type", ""),
        headers=headers,
        now=now,
    )
    if receipt.status == "conflict":
        raise Refused(
            409,
            "same_id_other_bytes",
            f"Message {message_id} was received before with other content. Send new content "
            f"under a new id.",
            message_id,
        )


def _keep(
    connection: Connection | None,
    refusal: Refusal,
    headers: dict[str, str],
    body: bytes,
    now: dt.datetime,
) -> None:
    declared = headers.get("content-length", "")
    quarantine(
        connection_id=connection.id if connection else None,
        legal_entity_id=connection.legal_entity_id if connection else None,
        refusal=refusal,
        raw=body,
        size=max(len(body), int(declared) if declared.isdecimal() else 0),
        headers=headers,
        now=now,
    )


def _answer(refusal: Refusal) -> HttpResponse:
    if refusal.status_code == 401:
        return plain_problem(401, "not_verified", NOT_VERIFIED)
    return plain_problem(refusal.status_code, refusal.reason, refusal.explanation)


def _try_later(code: str, detail: str) -> HttpResponse:
    response = plain_problem(503, code, detail)
    response.headers["Retry-After"] = "10"
    return response
