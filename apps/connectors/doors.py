"""What the doors of all vendors check alike: charset, content type, age, form.

The reasons are the public words of docs/webhooks.md. A signature is checked over the raw bytes
before anything is parsed.
"""

import datetime as dt
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import BadDelivery

TOLERANCE = dt.timedelta(seconds=300)  # Stripe's and Standard Webhooks' own default
TOKEN_HEADER = "x-q2c-door-token"  # noqa: S105 - a header's name

_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def check_content_type(headers: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Raises ``BadDelivery`` (415) for another type, or for a charset that is not UTF-8."""
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in allowed:
        raise BadDelivery(
            "wrong_content_type",
            f"The content type is {kind or 'missing'}; send {' or '.join(allowed)}.",
            415,
        )
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise BadDelivery(
            "wrong_charset", f"The charset is {charset[1]}; send the body in UTF-8.", 415
        )


def check_age(stamp: str, now: dt.datetime, message_id: str = "") -> None:
    """Raises ``BadDelivery`` when the signed unix time is more than 300 s from ``now``."""
    age = now.timestamp() - int(stamp)
    if abs(age) > TOLERANCE.total_seconds():
        word = "old" if age > 0 else "ahead of time"
        raise BadDelivery(
            "replayed",
            f"The signature is {abs(age):.0f} s {word}; {TOLERANCE.total_seconds():.0f} s are "
            f"allowed. Send the message again with a new signature.",
            400,
            message_id,
        )


def read_text(body: bytes, message_id: str = "") -> str:
    """Raises ``BadDelivery`` (415) when the bytes are not UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDelivery(
            "wrong_charset",
            f"The body is not UTF-8 (byte {error.start}). Send it in UTF-8.",
            415,
            message_id,
        ) from error


def read_object(body: bytes, message_id: str = "") -> dict[str, Any]:
    """A JSON object. Raises ``BadDelivery`` (400, or 415 for another charset)."""
    try:
        document = json.loads(read_text(body, message_id))
    except ValueError as error:
        raise BadDelivery(
            "malformed", f"The body is not JSON: {error}.", 400, message_id
        ) from error
    except RecursionError as error:
        raise BadDelivery(
            "malformed", "The body is nested too deeply. Send it flat.", 400, message_id
        ) from error
    if not isinstance(document, dict):
        raise BadDelivery("malformed", "The body must be one JSON object.", 400, message_id)
    return document


def is_same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def texts(value: object) -> list[str]:
    """Several open secrets (rotation), or one."""
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
