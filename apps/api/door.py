"""What comes to a webhook door and what goes back, and the checks that hold for every vendor; each
connector adds its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apps.connectors.doors import TOKEN_HEADER
from apps.ingestion.types import Refusal

LARGEST_BODY = 1024 * 1024
LONGEST_ID = 160


class Refused(Exception):
    """A body that does not pass the door."""

    def __init__(self, status: int, reason: str, explanation: str, message_id: str = "") -> None:
        super().__init__(explanation)
        self.refusal = Refusal(reason, explanation, status, message_id)


@dataclass(frozen=True, slots=True)
class Message:
    """One message at an address. ``refusal`` says why its body was not taken in to the end."""

    code: str
    headers: Mapping[str, str]
    body: bytes
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a message."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def too_large() -> Refused:
    return Refused(
        413, "too_large", "The body is larger than 1 MiB. Send fewer objects in one message."
    )


def check_size(body: bytes) -> None:
    """Raises ``Refused``: 413 for too much, 400 for nothing."""
    if len(body) > LARGEST_BODY:
        raise too_large()
    if not body:
        raise Refused(400, "malformed", "The body is empty. Send the message.")


def declared_size(headers: Mapping[str, str]) -> int:
    """What ``Content-Length`` says; 0 when it says nothing that can be read."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def check_message_id(message_id: str) -> None:
    """Raises ``Refused`` (400) for an id that cannot be kept."""
    if not message_id or len(message_id) > LONGEST_ID or "\x00" in message_id:
        raise Refused(
            400, "malformed", f"The message's id must have 1 to {LONGEST_ID} printable characters."
        )


def header_map(headers: Iterable[tuple[str, str]], token: str) -> dict[str, str]:
    """Headers by lower-case name, with the token of the address under the connectors' name."""
    lowered = {name.lower(): value for name, value in headers}
    lowered.pop(TOKEN_HEADER, None)
    return {**lowered, TOKEN_HEADER: token} if token else lowered
