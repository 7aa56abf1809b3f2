"""Pure decisions about remedies: which fit a case, in which order, and what they need."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.resolutions.types import (
    CORRECT,
    DECIDE,
    DISCARD,
    EDIT,
    MAP_VALUE,
    NEXT_PERIOD,
    RETRY,
    SET_ASIDE,
    SKIP,
    Evidence,
)

SHORTEST_REASON = 10

# Remedies of a code, the one that mends its cause first.
BY_CODE: dict[str, tuple[str, ...]] = {
    "unmapped_product": (MAP_VALUE, RETRY, DISCARD),
    "unmapped_value": (MAP_VALUE, RETRY, DISCARD),
    "unknown_reference": (MAP_VALUE, RETRY, CORRECT, DISCARD),
    "missing_dimension": (CORRECT, RETRY, DISCARD),
    "tax_validation_failed": (CORRECT, RETRY, DISCARD),
    "tax_mismatch": (CORRECT, RETRY, DISCARD),
    "malformed_payload": (EDIT, RETRY, DISCARD),
    "untranslatable_field": (CORRECT, RETRY, DISCARD),
    "processing_fault": (RETRY, EDIT, DISCARD),
    "period_closed": (NEXT_PERIOD, RETRY, DISCARD),
    "amount_incident": (DECIDE, DISCARD),
    "unknown_outcome_needs_decision": (DECIDE,),
    "reconciliation_break": (DISCARD,),
}
OTHERWISE = (RETRY, CORRECT, DISCARD)

PERMISSION = {
    RETRY: "case.retry",
    MAP_VALUE: "mapping.propose",
    CORRECT: "master_data.correct",
    EDIT: "case.resolve",
    NEXT_PERIOD: "case.resolve",
    DISCARD: "case.resolve",
    DECIDE: "outcome.propose",
    SKIP: "outcome.propose",
}
BREAK_PERMISSION = "reconciliation.decide"

# What a remedy can be applied to.
SUBJECTS = {
    RETRY: ("postings.posting", "workflows.step", "ingestion.event", SET_ASIDE),
    MAP_VALUE: ("postings.posting", "ingestion.event"),
    CORRECT: ("postings.posting", "workflows.step"),
    EDIT: ("ingestion.event",),
    NEXT_PERIOD: ("postings.posting",),
    DISCARD: (
        "postings.posting",
        "workflows.step",
        "ingestion.event",
        "reconciliation.break",
        SET_ASIDE,
    ),
    DECIDE: ("postings.posting",),
    SKIP: ("postings.posting",),
}


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the choice of remedies depends on."""

    code: str
    subject_type: str
    has_mapping: bool
    has_master_data: bool
    has_payload: bool
    has_posting_date: bool
    blocks: bool = False


def remedies_of(facts: CaseFacts) -> list[str]:
    """The remedies that fit a case, best first."""
    possible = {
        MAP_VALUE: facts.has_mapping,
        CORRECT: facts.has_master_data,
        EDIT: facts.has_payload,
        NEXT_PERIOD: facts.has_posting_date,
    }
    listed = BY_CODE.get(facts.code, OTHERWISE)
    if facts.blocks:  # a stuck head with others behind it: before discarding, after mending
        place = listed.index(DISCARD) if DISCARD in listed else len(listed)
        listed = (*listed[:place], SKIP, *listed[place:])
    return [
        remedy
        for remedy in listed
        if facts.subject_type in SUBJECTS[remedy] and possible.get(remedy, True)
    ]


def permission_of(remedy: str, subject_type: str) -> str:
    """The action that a remedy is, for the permission check."""
    if remedy == DISCARD and subject_type == "reconciliation.break":
        return BREAK_PERMISSION
    return PERMISSION[remedy]


def ranked(remedies: list[str], evidence: Mapping[str, Evidence]) -> list[str]:
    """The same remedies with those that failed at least three times and never held put last;
    discarding stays at the end."""

    def place(remedy: str) -> int:
        return 2 if remedy == DISCARD else int(is_poor(evidence.get(remedy, Evidence())))

    return sorted(remedies, key=place)


def is_poor(evidence: Evidence) -> bool:
    """Tried three times or more and never held."""
    return evidence.tried >= 3 and evidence.held == 0


def reason_fault(reason: str) -> str:
    """What is wrong with a reason, empty when it will do."""
    if len(reason.strip()) < SHORTEST_REASON:
        return f"Say why in at least {SHORTEST_REASON} characters; it is kept with the case."
    return ""
