"""Four kinds decide what happens next; codes explain it (the published taxonomy is in docs)."""

from dataclasses import dataclass

from apps.core.codec import storable


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What is kept of an error: code from the taxonomy, plain words, and the vendor's traces."""

    code: str
    message: str
    detail: str = ""
    field: str = ""
    vendor_code: str = ""
    request_id: str = ""


class HubError(Exception):
    """Base of the four kinds. ``facts.message`` is for operators, ``detail`` for engineers.

    Both may hold a vendor's words; here they become text that a row can keep.
    """

    def __init__(self, code: str, message: str, **more: str) -> None:
        super().__init__(message)
        traces = {name: storable(value) for name, value in more.items()}
        self.facts = ErrorFacts(code=code, message=storable(message), **traces)


class TransientError(HubError):
    """Nothing happened; try later. ``retry_after`` in seconds, None when the vendor named none."""

    def __init__(
        self, code: str, message: str, *, retry_after: float | None = None, **more: str
    ) -> None:
        super().__init__(code, message, **more)
        self.retry_after = retry_after


class OutcomeUnknownError(HubError):
    """It may have happened: look it up before anything is sent again."""


class RejectedError(HubError):
    """They said no: a person, a mapping or master data must change.

    ``partly``: of a write in several parts some had been taken before, and stand.
    """

    partly = False


class ConfigurationError(HubError):
    """We cannot talk to the platform at all: the connection pauses, no attempt is burnt."""


class StaleWriteError(Exception):
    """A write under an old lease epoch or row version was refused."""
