"""How this app tells others what happened to cases, families and dead letters."""

from apps.events.types import NewEvent
from apps.exceptions.models import DeadLetter, ExceptionCase, ExceptionFamily


def case_event(case: ExceptionCase, what: str) -> NewEvent:
    """``exception.<what>`` with what the journey, the figures and the live pages need."""
    return NewEvent(
        type=f"exception.{what}",
        aggregate_type="exception_case",
        aggregate_id=case.id,
        aggregate_version=case.rev,
        legal_entity_id=case.legal_entity_id,
        journey_id=case.journey_id,
        data={
            "number": case.number,
            "code": case.code,
            "title": case.title,
            "severity": case.severity,
            "state": case.state,
            "flow": case.flow,
            "lane": case.lane,
            "family_id": case.family_id,
            "subject_type": case.subject_type,
            "subject_id": case.subject_id,
            "document": case.document,
            "amount": case.amount_at_risk,
            "currency": case.currency,
            "owner": case.owner_label,
            "resolution": case.resolution,
            "note": case.resolution_note,
            "closed_by": case.closed_by_label,
            "seen": case.seen,
        },
    )


def family_event(family: ExceptionFamily, what: str, *, closed_by: str = "") -> NewEvent:
    """``exception_family.<what>``; ``closed_by`` are the people whose work ended its last case."""
    return NewEvent(
        type=f"exception_family.{what}",
        aggregate_type="exception_family",
        aggregate_id=family.id,
        legal_entity_id=family.legal_entity_id,
        data={
            "number": family.number,
            "code": family.code,
            "title": family.title,
            "closed_by": closed_by,
        },
    )


def dead_letter_event(letter: DeadLetter, what: str) -> NewEvent:
    return NewEvent(
        type=f"dead_letter.{what}",
        aggregate_type="dead_letter",
        aggregate_id=letter.id,
        legal_entity_id=letter.legal_entity_id,
        journey_id=letter.journey_id,
        data={
            "number": letter.number,
            "origin_type": letter.origin_type,
            "origin_id": letter.origin_id,
            "message_type": letter.message_type,
            "error_code": letter.error_code,
            "reason": letter.settled_reason,
        },
    )
