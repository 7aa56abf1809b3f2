"""Reads of requests and decisions."""

import uuid
from collections.abc import Sequence

from apps.approvals.models import Approval
from apps.approvals.policies import DECIDES, refusal
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.users.policies import may


def list_approvals(principal: Principal, *states: str) -> ScopedQuerySet:
    """Requests a principal may see, newest first; only those in the states when given."""
    approvals = Approval.objects.visible_to(principal).select_related("legal_entity")
    return (approvals.filter(state__in=states) if states else approvals).order_by("-number")


def get_approval(principal: Principal, number: int) -> Approval:
    """A request by its human number. Raises ``Approval.DoesNotExist``."""
    found: Approval = list_approvals(principal).get(number=number)
    return found


def list_to_decide(principal: Principal) -> ScopedQuerySet:
    """Open requests that this person may decide: not their own, of kinds their role decides."""
    kinds = [kind for kind, action in DECIDES.items() if may(principal, action)]
    waiting = list_approvals(principal, "requested").filter(kind__in=kinds)
    return waiting.exclude(requested_person_id=principal.person_id)


def why_not(principal: Principal, approval: Approval) -> str:
    """Why a principal may not decide a request, empty when they may."""
    if approval.state != "requested":
        return f"{approval.code} is already {approval.state}."
    return refusal(principal, approval.kind, approval.requested_person_id)


def approvals_of(subject_type: str, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Approval]:
    """The newest request of each subject that has one."""
    found = Approval.objects.filter(subject_type=subject_type, subject_id__in=ids)
    return {approval.subject_id: approval for approval in found.order_by("number")}
