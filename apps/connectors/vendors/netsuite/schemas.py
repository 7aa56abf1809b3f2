"""NetSuite's wire values: which fields are numbers, and what its messages mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Fields that are JSON numbers on the wire; the hub keeps them as decimal text.
NUMBERS = frozenset(
    {"amount", "credit", "debit", "exchangeRate", "line", "payment", "quantity", "rate",
     "taxAmount", "taxBasis", "taxRate"}
)  # fmt: skip

RECORDS = {
    "customer.upsert": "customer",
    "invoice.create": "invoice",
    "invoice.credit": "creditMemo",
    "journal.create": "journalEntry",
}

_SEGMENTS = re.compile(r"\b(department|class|location)\b", re.IGNORECASE)
_FIELD = re.compile(r"following field:\s*([\w.]+)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a USER_ERROR's text means: the taxonomy's code, and a field if the text names one."""

    code: str
    field: str = ""


# USER_ERROR is the catch-all of every rule, so its text decides. First match wins; a text that
# none knows is a business rule for a person, never a reason to send again.
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"not within the date range of your accounting period", re.I), "period_closed"),
    (re.compile(r"(closed|locked)\b.*\bperiod|period\b.*\b(closed|locked)", re.I),
     "period_closed"),
    (re.compile(r"already exists", re.I), "conflict"),
    (re.compile(r"journal entry must balance", re.I), "unbalanced_entry"),
    (re.compile(r"invalid .*reference", re.I), "unknown_reference"),
)  # fmt: skip


def read_user_error(text: str) -> Reading:
    """Classify a USER_ERROR by its text."""
    if "please enter value(s) for" in text.lower():
        segment = _SEGMENTS.search(text.partition(":")[2])
        if segment:
            return Reading("missing_dimension", segment[1].lower())
        return Reading("field_refused", text.partition(":")[2].strip())
    for pattern, code in _TEXTS:
        if pattern.search(text):
            return Reading(code)
    return Reading("rejected_by_vendor")


def field_of(entry: Mapping[str, Any]) -> str:
    """The field at fault: the error's path, else the name in its text."""
    found = _FIELD.search(str(entry.get("detail") or ""))
    return str(entry.get("o:errorPath") or (found[1] if found else ""))


def reference_id(value: Any) -> str:
    """The internal id of a reference field."""
    return str(value.get("id") or "") if isinstance(value, Mapping) else ""


def items_of(value: Any) -> list[Mapping[str, Any]]:
    """The entries of an expanded sublist."""
    return list(value.get("items") or []) if isinstance(value, Mapping) else []
