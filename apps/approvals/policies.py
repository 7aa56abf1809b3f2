"""Who may decide a request."""

import uuid

from apps.core.principal import Principal
from apps.users.policies import may, who_may

# Kind of request → the action that deciding it is.
DECIDES = {
    "break_write_off": "reconciliation.decide",
    "mapping_version": "mapping.approve",
    "outcome_decision": "outcome.approve",
    "run_compensation": "run.approve",
    "run_skip": "run.approve",
}
OTHERWISE = "mapping.approve"


def refusal(principal: Principal, kind: str, requested_person_id: uuid.UUID) -> str:
    """Why a principal may not decide a request, empty when they may."""
    action = DECIDES.get(kind, OTHERWISE)
    if principal.person_id is None:
        return "A program cannot decide this; a person must."
    if principal.person_id == requested_person_id:
        return "You asked for this yourself. Another person must decide it."
    if not may(principal, action):
        return f"Only {who_may(action)} may decide this."
    return ""
