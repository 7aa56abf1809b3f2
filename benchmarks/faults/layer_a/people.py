"""What people do about open cases: one proposes, another approves, each by the public services."""

from apps.approvals.models import Approval
from apps.approvals.services import approve
from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.postings.models import Posting
from apps.resolutions.forms import ABSENT, ACCEPT, EXISTS
from apps.resolutions.services import apply_remedy
from apps.resolutions.types import DECIDE, RETRY
from apps.users.models import User
from apps.users.selectors import principal_of
from benchmarks.faults.layer_a.hub import Hub

REASON = "Looked it up at the platform together"
DECIDED = ("unknown_outcome_needs_decision", "amount_incident")


def person(name: str) -> Principal:
    return principal_of(User.objects.get(username=name))


def resolve_open(hub: Hub) -> int:
    """Resolve every open case once, as its suggested remedy says; returns how many there were."""
    cases = list(ExceptionCase.objects.filter(state__in=OPEN_STATES).order_by("number"))
    for case in cases:
        if case.code in DECIDED:
            _decide(hub, case)
        else:
            _apply(case, RETRY, {})
    approve_all()
    return len(cases)


def _decide(hub: Hub, case: ExceptionCase) -> None:
    """Read the platform's own list, and say what stands there."""
    posting = Posting.objects.get(id=case.subject_id)
    if posting.external_id:
        _apply(case, DECIDE, {"decision": ACCEPT})
        return
    code = Connection.objects.get(id=posting.connection_id).code
    found = next(
        (
            entry for entry in hub.platforms.entries
            if (entry.platform, entry.reference) == (code, posting.reference)
        ),
        None,
    )  # fmt: skip
    params = (
        {"decision": EXISTS, "external_id": found.external_id} if found else {"decision": ABSENT}
    )
    _apply(case, DECIDE, params)


def _apply(case: ExceptionCase, remedy: str, params: dict[str, str]) -> None:
    apply_remedy(
        case.id, remedy, params=params, principal=person("maker"), now=utc_now(), reason=REASON
    )


def approve_all() -> int:
    """The second person approves what waits."""
    waiting = list(Approval.objects.filter(state="requested").order_by("number"))
    for approval in waiting:
        approve(
            approval.id, principal=person("checker"), seen_hash=approval.content_hash,
            now=utc_now(), note=REASON,
        )  # fmt: skip
    return len(waiting)
