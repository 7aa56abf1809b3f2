"""Pure decisions about cases: what they are called, how grave they are, by when they are due."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

# Codes of docs/error-taxonomy.md that a person meets as a case → the category shown with them.
CATEGORIES = {
    "tax_validation_failed": "tax",
    "tax_mismatch": "tax",
    "missing_dimension": "master_data",
    "unmapped_product": "mapping",
    "unmapped_value": "mapping",
    "period_closed": "period",
    "unknown_reference": "mapping",
    "malformed_payload": "payload",
    "processing_fault": "hub",
    "untranslatable_field": "payload",
    "vendor_outage": "platform",
    "acceptance_without_approval": "approval",
    "amount_incident": "amount",
    "proration_mismatch": "amount",
    "reconciliation_break": "amount",
    "unknown_outcome_needs_decision": "outcome",
    "rejected_by_vendor": "platform",
    "dependency_overdue": "dependency",
    "compensation_requested": "approval",
    "workflow_version_missing": "hub",
    "workflow_changed": "hub",
}

# What may already be wrong in a ledger is never below high, whatever the amount.
GRAVE = frozenset(
    {"amount_incident", "unknown_outcome_needs_decision", "acceptance_without_approval"}
)

HIGH_AMOUNT = Decimal(50_000)  # in the reporting currency
CRITICAL_AMOUNT = Decimal(250_000)
MEDIUM_AMOUNT = Decimal(5_000)

SLA = {
    "critical": dt.timedelta(hours=1),
    "high": dt.timedelta(hours=4),
    "medium": dt.timedelta(hours=8),
    "low": dt.timedelta(hours=24),
}


def fingerprint_of(parts: Sequence[str]) -> str:
    """SHA-256 (hex) that groups cases with one cause into a family."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def category_of(code: str) -> str:
    """The category of a code; a vendor's own code is the platform's word."""
    return CATEGORIES.get(code, "platform")


def severity_of(code: str, amount: Decimal | None, *, blocks_close: bool) -> str:
    """How grave a case is. ``amount`` is in the reporting currency, None when nobody knows it."""
    worth = abs(amount) if amount is not None else Decimal(0)
    if worth >= CRITICAL_AMOUNT or (blocks_close and code in GRAVE):
        return "critical"
    if worth >= HIGH_AMOUNT or code in GRAVE:
        return "high"
    if worth >= MEDIUM_AMOUNT or blocks_close or amount is None:
        return "medium"
    return "low"


def due_at(severity: str, opened_at: dt.datetime) -> dt.datetime:
    """When somebody must have acted."""
    return opened_at + SLA[severity]


@dataclass(frozen=True, slots=True)
class DatedRate:
    """Units of the reporting currency for one unit, and the oldest rate date behind it."""

    rate: Decimal
    rate_date: dt.date


def reporting_rates(
    pairs: Mapping[tuple[str, str], DatedRate], reporting: str, today: dt.date
) -> dict[str, DatedRate]:
    """The rate of each currency into the reporting currency: as quoted, inverted, or crossed
    through one currency that both are quoted against. A currency without a way has no entry."""
    both = dict(pairs)
    for (base, quote), dated in pairs.items():
        both.setdefault((quote, base), DatedRate(1 / dated.rate, dated.rate_date))
    rates = {reporting: DatedRate(Decimal(1), today)}
    currencies = {currency for pair in both for currency in pair}
    for currency in sorted(currencies - {reporting}):
        found = both.get((currency, reporting)) or _crossed(both, currency, reporting)
        if found is not None:
            rates[currency] = found
    return rates


def _crossed(
    pairs: Mapping[tuple[str, str], DatedRate], currency: str, reporting: str
) -> DatedRate | None:
    for base, middle in sorted(pairs):
        second = pairs.get((middle, reporting))
        if base == currency and second is not None:
            first = pairs[base, middle]
            return DatedRate(first.rate * second.rate, min(first.rate_date, second.rate_date))
    return None
