"""The published taxonomy: every code a connector raises, its class, and what it asks of whom."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from apps.core.errors import (
    ConfigurationError,
    HubError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)


class ErrorClass(Enum):
    """The classes of docs/error-taxonomy.md."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    AUTHENTICATION = "authentication"
    VALIDATION = "validation"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    BUSINESS_RULE = "business_rule"
    UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code: its class, what it means, and what happens or what a person does next."""

    error_class: ErrorClass
    meaning: str
    next_step: str


_LATER = "The hub tries again by itself."
_LOOKED_UP = "The hub looks the document up before anything is sent again."

TAXONOMY: dict[str, Entry] = {
    "unreachable": Entry(
        ErrorClass.TRANSIENT, "No connection to the platform could be made.", _LATER
    ),
    "no_answer_to_read": Entry(
        ErrorClass.TRANSIENT, "A read was not answered, or not wholly.", _LATER
    ),
    "server_error": Entry(
        ErrorClass.TRANSIENT, "The platform says that it did not do it for now.", _LATER
    ),
    "locked": Entry(
        ErrorClass.TRANSIENT, "Another change holds the record at the platform.", _LATER
    ),
    "rate_limited": Entry(
        ErrorClass.RATE_LIMITED,
        "The platform's call budget is used up.",
        "The hub waits as long as the platform asks, then tries again.",
    ),
    "held": Entry(
        ErrorClass.TRANSIENT,
        "The call budget had no place for the call, or the circuit opened; nothing was sent.",
        "The hub sends it when there is room. It does not count as an attempt.",
    ),
    "claim_too_old": Entry(
        ErrorClass.TRANSIENT,
        "The worker stood still for too long; nothing was sent.",
        "The hub goes on by itself. It does not count as an attempt.",
    ),
    "not_authorised": Entry(
        ErrorClass.AUTHENTICATION,
        "The platform does not accept the connection's credentials.",
        "The connection pauses. Renew its credentials, then resume it.",
    ),
    "permission_missing": Entry(
        ErrorClass.AUTHENTICATION,
        "The platform's user of the hub may not do this.",
        "The connection pauses. Grant the permission at the platform, then resume it.",
    ),
    "misconfigured": Entry(
        ErrorClass.AUTHENTICATION,
        "A setting of the connection is missing or cannot be used.",
        "The connection pauses. Correct the setting, then resume it.",
    ),
    "malformed_payload": Entry(
        ErrorClass.VALIDATION,
        "A message cannot be read.",
        "Edit the payload and retry; the original is kept.",
    ),
    "tax_validation_failed": Entry(
        ErrorClass.VALIDATION,
        "Tax cannot be determined from the customer's data.",
        "Correct the field of the customer, then retry.",
    ),
    "missing_dimension": Entry(
        ErrorClass.VALIDATION,
        "The ERP wants an accounting dimension that the document does not carry.",
        "Set the dimension in master data, then retry.",
    ),
    "unknown_reference": Entry(
        ErrorClass.VALIDATION,
        "The document names a record that the platform does not have.",
        "Correct the mapping of that value, then retry.",
    ),
    "field_refused": Entry(
        ErrorClass.VALIDATION,
        "The platform refuses a field.",
        "Correct the field or its mapping, then retry.",
    ),
    "conflict": Entry(
        ErrorClass.CONFLICT,
        "The platform holds something else under the same key.",
        "Compare both documents, then decide.",
    ),
    "not_found": Entry(
        ErrorClass.NOT_FOUND,
        "The record is not at the platform.",
        "Look for it at the platform and correct the reference, then retry.",
    ),
    "period_closed": Entry(
        ErrorClass.BUSINESS_RULE,
        "The posting date is in a closed period of the ERP.",
        "Post to the next open period, or reopen the period and retry.",
    ),
    "unbalanced_entry": Entry(
        ErrorClass.BUSINESS_RULE,
        "The journal's debits and credits differ.",
        "Correct the mapping of the entry, then retry.",
    ),
    "rejected_by_vendor": Entry(
        ErrorClass.BUSINESS_RULE,
        "A rule of the platform refuses the document.",
        "Read the platform's words, correct the cause, then retry.",
    ),
    "outcome_unknown": Entry(
        ErrorClass.UNKNOWN_OUTCOME, "A write was sent and its answer did not come.", _LOOKED_UP
    ),
    "server_error_after_write": Entry(
        ErrorClass.UNKNOWN_OUTCOME, "A write was answered with a server error.", _LOOKED_UP
    ),
    "connector_fault": Entry(
        ErrorClass.UNKNOWN_OUTCOME, "The connector failed on the answer to a write.", _LOOKED_UP
    ),
    "claim_expired": Entry(
        ErrorClass.UNKNOWN_OUTCOME, "A worker stopped while a write was on its way.", _LOOKED_UP
    ),
}

_KINDS: dict[ErrorClass, type[HubError]] = {
    ErrorClass.TRANSIENT: TransientError,
    ErrorClass.RATE_LIMITED: TransientError,
    ErrorClass.AUTHENTICATION: ConfigurationError,
    ErrorClass.UNKNOWN_OUTCOME: OutcomeUnknownError,
}


def error_for(
    code: str, message: str, *, retry_after: float | None = None, **traces: Any
) -> HubError:
    """The error of a code's kind. ``retry_after`` (seconds) counts for those tried again.

    Raises ``KeyError`` for a code that the taxonomy does not have.
    """
    kind = _KINDS.get(TAXONOMY[code].error_class, RejectedError)
    if kind is TransientError:
        return TransientError(code, message, retry_after=retry_after, **traces)
    return kind(code, message, **traces)


def silence(vendor: str, *, writes: bool, detail: str) -> HubError:
    """The platform was asked and did not answer: unknown for a write, transient for a read."""
    if writes:
        return error_for(
            "outcome_unknown",
            f"{vendor} did not answer. The hub looks the document up before anything is sent "
            f"again.",
            detail=detail,
        )
    return error_for(
        "no_answer_to_read", f"{vendor} did not answer. The hub tries again.", detail=detail
    )


def broken(vendor: str, status: int, *, writes: bool, **traces: Any) -> HubError:
    """A server error. 503 says that nothing was done; any other leaves a write unknown."""
    if writes and status != 503:
        return error_for(
            "server_error_after_write",
            f"{vendor} answered with a server error ({status}). The hub looks the document up "
            f"before anything is sent again.",
            **traces,
        )
    return error_for(
        "server_error", f"{vendor} is unavailable ({status}). The hub tries again.", **traces
    )
