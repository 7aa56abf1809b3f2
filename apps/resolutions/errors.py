"""Refusals of a remedy."""

from collections.abc import Mapping


class RemedyError(Exception):
    """The remedy cannot be applied; ``fields`` says what to correct in which field."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})
