"""Reading a webhook's body: the checks that hold for every vendor; each connector adds its own."""

from collections.abc import Mapping

from django.http import HttpRequest

from apps.connectors.doors import TOKEN_HEADER
from apps.ingestion.types import Refusal

LARGEST_BODY = 1024 * 1024
LONGEST_ID = 160


class Refused(Exception):
    """A body that does not pass the door."""

    def __init__(self, status: int, reason: str, explanation: str, message_id: str = "") -> None:
        super().__init__(explanation)
        self.refusal = Refusal(reason, explanation, status, message_id)


def read_body(request: HttpRequest) -> bytes:
    """At most one byte more than the door takes, so that a longer body never fills memory."""
    return request.read(LARGEST_BODY + 1)


def check_size(body: bytes) -> None:
    """Raises ``Refused``: 413 for too much, 400 for nothing."""
    if len(body) > LARGEST_BODY:
        raise Refused(
            413, "too_large", "The body is larger than 1 MiB. Send fewer objects in one message."
        )
    if not body:
        raise Refused(400, "malformed", "The body is empty. Send the message.")


def check_message_id(message_id: str) -> None:
    """Raises ``Refused`` (400) for an id that cannot be kept."""
    if not message_id or len(message_id) > LONGEST_ID or "\x00" in message_id:
        raise Refused(
            400, "malformed", f"The message's id must have 1 to {LONGEST_ID} printable characters."
        )


def header_map(headers: Mapping[str, str], token: str) -> dict[str, str]:
    """Headers by lower-case name, with the token of the address under the connectors' name."""
    lowered = {name.lower(): value for name, value in headers.items()}
    lowered.pop(TOKEN_HEADER, None)
    return {**lowered, TOKEN_HEADER: token} if token else lowered
