"""What of an exchange is kept: never a secret, and of persons only what finds a mistake."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from apps.core.codec import storable

MASK = "•••"
KEPT_CHARACTERS = 16_000

_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key",
     "stripe-signature", "webhook-signature"}
)  # fmt: skip
_SECRET = re.compile(
    r"(^|_|\b)(access_?token|refresh_?token|client_secret|client_assertion|assertion|password|"
    r"secret|session_?id|signature|private_key|api_key)($|_|\b)",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    r"(e-?mail|vat_?id|vat_?reg|tax_?id|tax_identifier|street|line1|line2|addr1|addr2|phone|iban)",
    re.IGNORECASE,
)
_FIELD_TEXT = re.compile(r'("([^"\\]+)"\s*:\s*")([^"]*)')
_XML_SECRET = re.compile(r"(<(?:\w+:)?SessionId[^>]*>)[^<]*(</)", re.IGNORECASE)


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with lower-case names; those that authenticate are masked."""
    return {
        name.lower(): MASK if name.lower() in _SECRET_HEADERS else value[:400]
        for name, value in headers.items()
    }


def redact_body(content: bytes, content_type: str) -> str:
    """A body as text with secrets and personal fields masked, capped in length."""
    text = content[: KEPT_CHARACTERS * 8].decode("utf-8", "replace").replace("\x00", "\ufffd")
    if "json" in content_type:
        text = _redact_json(text)
    elif "form-urlencoded" in content_type:
        pairs = parse_qsl(text, keep_blank_values=True)
        text = "&".join(f"{k}={_masked(k, v)}".replace("&", "%26") for k, v in pairs)
    elif "xml" in content_type:
        text = _XML_SECRET.sub(rf"\g<1>{MASK}\g<2>", text)
    return storable(text[:KEPT_CHARACTERS])


def redact_document(value: Any, *, at_fault: str = "") -> Any:
    """A decoded JSON document with secrets and personal fields masked, at any depth. A personal
    field named ``at_fault`` is shown: nobody can mend a value that they may not read."""
    if isinstance(value, Mapping):
        return {key: _field(str(key), item, at_fault) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_document(item, at_fault=at_fault) for item in value]
    return value


def _redact_json(text: str) -> str:
    try:
        document = json.loads(text, parse_float=str)
    except ValueError:  # cut off, or no JSON at all: mask what looks like a field
        return _FIELD_TEXT.sub(lambda found: f"{found[1]}{_masked(found[2], found[3])}", text)
    return json.dumps(redact_document(document), ensure_ascii=False)


def _field(key: str, value: Any, at_fault: str) -> Any:
    if isinstance(value, Mapping | list):
        return MASK if _SECRET.search(key) else redact_document(value, at_fault=at_fault)
    is_shown = key == at_fault and not _SECRET.search(key)
    return value if is_shown else _masked(key, value)


def _masked(key: str, value: Any) -> Any:
    """A secret disappears; of a personal value the first and last two characters stay."""
    if value in (None, ""):
        return value
    if _SECRET.search(key):
        return MASK
    if _PERSONAL.search(key) and isinstance(value, str):
        return f"{value[:2]}{MASK}{value[-2:]}" if len(value) > 6 else MASK
    return value
