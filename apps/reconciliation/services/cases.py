"""Breaks that nothing explains become cases, and leave them again."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.core.principal import Actor, system_actor
from apps.exceptions.services import close_for_subjects, open_cases
from apps.exceptions.types import CaseDraft
from apps.reconciliation.models import Break
from apps.reconciliation.policies import asks_a_person, break_title
from apps.reconciliation.types import BREAK_TYPES

BREAK_SUBJECT = "reconciliation.break"
RECONCILER = system_actor("reconciliation")
LANES = {"missing_in_cpq": "cpq", "missing_in_billing": "billing"}


def open_break_cases(breaks: Sequence[Break], *, now: dt.datetime) -> None:
    """One case for each break that nothing explains and whose grace is over."""
    due = [b for b in breaks if b.case_id is None and asks_a_person(b.type, b.unexplained_at, now)]
    if not due:
        return
    opened = open_cases([_draft(found) for found in due], actor=RECONCILER, now=now)
    cases = {case.subject_id: case.id for case in opened}
    for found in due:
        found.case_id = cases.get(found.id)
    Break.objects.bulk_update(due, ["case_id"])


def _draft(found: Break) -> CaseDraft:
    noun = BREAK_TYPES.get(found.type, found.type)
    return CaseDraft(
        code="reconciliation_break",
        title=break_title(found.type, found.match_key),
        explanation=(
            f"{found.explanation}. {_amounts(found)}. Compare the documents side by side under "
            f"Reconciliation, correct the side that is wrong, or write the difference off."
        ),
        flow="reconciliation",
        lane=LANES.get(found.type, "erp"),
        subject_type=BREAK_SUBJECT,
        subject_id=found.id,
        fingerprint=("reconciliation_break", found.subject, found.type, found.match_key),
        legal_entity_id=found.legal_entity_id,
        journey_id=found.journey_id,
        amount_at_risk=abs(found.variance),
        currency=found.currency,
        document=found.match_key,
        customer=found.customer,
        facts={"break": found.number, "type": noun, "subject": found.subject},
        blocks_close=True,
    )


def _amounts(found: Break) -> str:
    sides = (
        ("CPQ", found.cpq_amount), ("Billing", found.billing_amount), ("ERP", found.erp_amount),
    )  # fmt: skip
    said = [f"{name} {amount.normalize():f}" for name, amount in sides if amount is not None]
    return f"{', '.join(said)} {found.currency}"


def close_break_cases(
    break_ids: Sequence[uuid.UUID], *, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """Close the cases that breaks had opened themselves."""
    if break_ids:
        close_for_subjects(
            [(BREAK_SUBJECT, pk) for pk in break_ids], reason=reason, actor=actor, now=now
        )
