"""The webhook door: verified, stored, acknowledged. No Redis, no Celery, no call out.

What is refused is kept for a person, capped, and changes nothing else. Every body that is not
verified gets one answer, whether its address exists or not, so that guessing tells nothing; the
exact reason is kept with the body.
"""

import datetime as dt
import logging

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.api.door import (
    LARGEST_BODY,
    Message,
    Refused,
    Reply,
    check_message_id,
    check_size,
    declared_size,
    header_map,
)
from apps.api.problems import CONTENT_TYPE, problem_body
from apps.connectors.base import BadDelivery, VerifiedBody
from apps.connectors.registry import connector_for
from apps.connectors.selectors import Door, find_connection, find_door
from apps.core.clock import utc_now
from apps.core.codec import dumps
from apps.core.errors import ConfigurationError
from apps.core.failpoints import failpoint
from apps.ingestion.services.door import quarantine, receive_delivery
from apps.ingestion.types import Refusal

logger = logging.getLogger(__name__)

NOT_VERIFIED = (
    "The message is not signed by a source known at this address. Check the address and the "
    "signing secret."
)
UNKNOWN_ADDRESS = "No connection has this address. Check the address that the source sends to."
FAULT = "The hub failed on this message and kept it. Send it again later."
TRIES = 3

# Doors that this process has read, by address. The statement that stores a message checks that
# the door is still at the revision under which the message was verified.
_doors: dict[str, Door] = {}


def take(message: Message, now: dt.datetime) -> Reply:
    """Take one message of a connection. 2xx says that it is stored.

    A connection to the database that broke is replaced and the message tried once more: its id
    makes that harmless, even when the first try was committed and only its answer was lost.
    """
    for is_last in (False, True):
        try:
            return _take(message, now)
        except (OperationalError, InterfaceError) as error:
            logger.warning("a message for %s was not stored: %s", message.code, error)
            if is_last:
                break
            connection.close_if_unusable_or_obsolete()
    return _try_later("unavailable", "The message could not be stored. Send it again.")


def _take(message: Message, now: dt.datetime) -> Reply:
    try:
        return _accept(message, now)
    except Refused as refused:
        _keep(message, refused.refusal, now)
        return _answer(refused.refusal)
    except ConfigurationError as error:
        logger.error("%s cannot verify messages: %s", message.code, error.facts.message)  # noqa: TRY400
        return _try_later("not_configured", "Messages cannot be verified now. Send it again.")


def _accept(message: Message, now: dt.datetime) -> Reply:
    if message.refusal is not None:
        given = message.refusal
        raise Refused(given.status_code, given.reason, given.explanation)
    check_size(message.body)
    for _ in range(TRIES):
        door, verified = _verified(message, now)
        if _store(door, message, verified.message_id, now):
            failpoint("inbox.after_commit_before_response")
            return Reply(verified.reply_status, verified.reply_body, verified.reply_content_type)
        del _doors[message.code]  # the door changed after it was read: verify anew
    raise ConfigurationError("misconfigured", "The connection changes all the time.")


def _verified(message: Message, now: dt.datetime) -> tuple[Door, VerifiedBody]:
    """The door and what it found. Raises ``Refused``, only after a look at the door as it is now:
    a secret may have been added since the door was read."""
    known = _doors.get(message.code)
    if known is not None:
        try:
            return known, _verify(known, message, now)
        except Refused:
            del _doors[message.code]
    door = find_door(message.code)
    if door is None:
        raise Refused(401, "unknown_address", UNKNOWN_ADDRESS)
    _doors[message.code] = door
    return door, _verify(door, message, now)


def _verify(door: Door, message: Message, now: dt.datetime) -> VerifiedBody:
    connector = connector_for(door.vendor)
    try:
        verified = connector.verify(door.config, message.headers, message.body, now)
    except BadDelivery as bad:
        raise Refused(bad.status, bad.reason, bad.explanation, bad.message_id) from bad
    except ConfigurationError:
        raise
    except Exception as fault:
        logger.exception("the connector of %s failed on a message", message.code)
        raise Refused(503, "connector_fault", FAULT) from fault
    check_message_id(verified.message_id)
    return verified


def _store(door: Door, message: Message, message_id: str, now: dt.datetime) -> bool:
    """False when the door is no longer what it was. Raises ``Refused`` for an id used before."""
    receipt = receive_delivery(
        connection_id=door.connection_id,
        connection_rev=door.rev,
        channel="webhook",
        message_id=message_id,
        raw=message.body,
        headers=message.headers,
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
    return receipt.status != "stale"


def _keep(message: Message, refusal: Refusal, now: dt.datetime) -> None:
    known = find_connection(message.code)
    quarantine(
        connection_id=known.id if known else None,
        legal_entity_id=known.legal_entity_id if known else None,
        refusal=refusal,
        raw=message.body,
        size=max(len(message.body), declared_size(message.headers)),
        headers=message.headers,
        now=now,
    )


def _answer(refusal: Refusal) -> Reply:
    if refusal.status_code == 401:
        return problem(401, "not_verified", NOT_VERIFIED)
    if refusal.status_code == 503:
        return _try_later(refusal.reason, refusal.explanation)
    return problem(refusal.status_code, refusal.reason, refusal.explanation)


def problem(status: int, code: str, detail: str, **headers: str) -> Reply:
    """An answer as a problem document."""
    body = dumps(problem_body(status, code, detail)).encode()
    return Reply(status, body, CONTENT_TYPE, headers)


def _try_later(code: str, detail: str) -> Reply:
    return problem(503, code, detail, **{"Retry-After": "10"})


@csrf_exempt
def receive(request: HttpRequest, code: str, token: str | None = None) -> HttpResponse:
    """The same door behind Django's handler, where the web server does not speak ASGI."""
    if request.method == "POST":
        headers = header_map(request.headers.items(), token or "")
        body = request.read(LARGEST_BODY + 1)
        reply = take(Message(code, headers, body), utc_now())
    else:
        reply = only_post()
    return HttpResponse(
        reply.body,
        status=reply.status,
        content_type=reply.content_type,
        headers=dict(reply.headers),
    )


def only_post() -> Reply:
    return problem(405, "method", "Send messages by POST.", Allow="POST")
