"""A remedy on one locked case, with the form that the person filled in."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.resolutions.errors import RemedyError
from apps.resolutions.subjects import Subject


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a remedy works with; the case is locked in the caller's transaction."""

    case: ExceptionCase
    subject: Subject
    params: Mapping[str, Any]
    reason: str
    principal: Principal
    now: dt.datetime

    def text(self, name: str) -> str:
        """A field of the form, without the spaces around it; empty when it was not filled."""
        return str(self.params.get(name) or "").strip()

    def needed(self, name: str, words: str) -> str:
        """A field that must be filled. Raises ``RemedyError`` with the words at the field."""
        value = self.text(name)
        if not value:
            raise RemedyError("Fill in the missing field.", {name: words})
        return value
