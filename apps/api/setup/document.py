"""Reading a setup file: ${VARIABLES} are filled in, dates may be relative to today."""

import datetime as dt
import json
import os
import re
from pathlib import Path
from typing import Any

VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class SetupError(Exception):
    """A setup file that cannot be loaded; the message names the place and the remedy."""


def read_document(path: Path) -> dict[str, Any]:
    """The file's content with variables filled in.

    Raises ``SetupError`` when it is absent, is no JSON object, or names an unset variable.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        document = json.loads(VARIABLE.sub(_fill, text))
    except json.JSONDecodeError as error:
        raise SetupError(f"{path} line {error.lineno} is not JSON: {error.msg}.") from error
    if not isinstance(document, dict):
        raise SetupError(f"{path} must hold one JSON object.")
    return document


def _fill(found: re.Match[str]) -> str:
    name = found.group(1)
    if name not in os.environ:
        raise SetupError(f"The setup file uses ${{{name}}}, which is not set in the environment.")
    return json.dumps(os.environ[name])[1:-1]


def month(today: dt.date, offset: int) -> tuple[dt.date, dt.date]:
    """The month ``offset`` months from today's, half-open."""
    first = today.year * 12 + today.month - 1 + offset
    start = dt.date(first // 12, first % 12 + 1, 1)
    following = first + 1
    return start, dt.date(following // 12, following % 12 + 1, 1)


def last_business_day(today: dt.date) -> dt.date:
    """The last weekday before today, when central banks last published rates."""
    day = today - dt.timedelta(days=1)
    while day.weekday() >= 5:
        day -= dt.timedelta(days=1)
    return day
