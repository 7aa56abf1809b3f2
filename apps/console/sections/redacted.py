"""Bodies as people may see them: personal and secret values masked, length capped."""

import json
import re
from collections.abc import Mapping
from typing import Any

from apps.connectors.redaction import redact_document, redact_headers

MOST_TEXT = 20_000
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_TOKEN = re.compile(r"\b[A-Za-z0-9_\-]{40,}\b")


def body_text(raw: bytes | memoryview | str) -> str:
    """A body as text: JSON is indented with its private values masked, other text by form."""
    text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
    try:
        document = json.loads(text, parse_float=str)
    except ValueError:
        return masked(text[:MOST_TEXT])
    return json.dumps(redact_document(document), indent=1, ensure_ascii=False)[:MOST_TEXT]


def masked(text: str) -> str:
    """Text with e-mail addresses and long tokens covered."""
    return _TOKEN.sub("•••", _EMAIL.sub("•••@•••", text)).replace("\x00", "\ufffd")


def header_lines(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Headers in order, secrets masked."""
    shown = redact_headers({name: str(value) for name, value in headers.items()})
    return sorted(shown.items())
