"""Write-offs: a small difference by one person, any other by a second one, none that will pass."""

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from apps.approvals.models import Approval
from apps.approvals.services import request_approval
from apps.approvals.types import ApprovalRequest
from apps.core.codec import content_hash
from apps.core.fsm import transition_set
from apps.core.money import quantise
from apps.core.principal import Actor, Principal
from apps.events.services import acting, publish_events
from apps.reconciliation.errors import WriteOffError
from apps.reconciliation.models import Break
from apps.reconciliation.policies import SIDE_NAMES
from apps.reconciliation.selectors import must_be_approved, why_not_write_off
from apps.reconciliation.services.breaks import break_event
from apps.reconciliation.services.cases import BREAK_SUBJECT, close_break_cases
from apps.reconciliation.types import BREAK_TYPES, WRITE_OFF

SHORTEST_REASON = 10


def write_off(
    break_id: uuid.UUID, *, reason: str, principal: Principal, now: dt.datetime
) -> Approval | None:
    """Accept a small difference at once, or ask another person to accept a larger one.

    Returns the request, None for what is written off. Raises ``WriteOffError`` for a difference
    that will go away by itself or that is closed, ``ApprovalError`` for a program.
    """
    with acting(principal.actor):
        found = Break.objects.select_for_update().get(id=break_id)
        _check(found, reason)
        if must_be_approved(found, now.date()):
            request = _request(found, reason.strip())
            return request_approval(request, principal=principal, now=now)
        write_off_breaks(
            [found.id],
            reason=reason,
            by=principal.actor.label,
            actor=principal.actor,
            now=now,
        )
    return None


def _check(found: Break, reason: str) -> None:
    if len(reason.strip()) < SHORTEST_REASON:
        raise WriteOffError("Say in at least ten characters why this difference is accepted.")
    why_not = why_not_write_off(found)
    if why_not:
        raise WriteOffError(why_not)


def _request(found: Break, reason: str) -> ApprovalRequest:
    sides = {
        SIDE_NAMES[side].removeprefix("the "): f"{quantise(amount, found.currency):,}"
        for side, amount in _amounts(found).items()
        if amount is not None
    }
    return ApprovalRequest(
        kind=WRITE_OFF,
        title=f"Write off the difference of {found.match_key}",
        subject_type=BREAK_SUBJECT,
        subject_id=found.id,
        content=_content(found),
        reason=reason,
        legal_entity_id=found.legal_entity_id,
        amount=abs(found.variance),
        currency=found.currency,
        snapshot={
            "break": f"BRK-{found.number}",
            "difference": BREAK_TYPES.get(found.type, found.type),
            **sides,
            "explanation": found.explanation,
            "reason": reason,
        },
    )


def _content(found: Break) -> dict[str, Any]:
    """What a second person accepts: these amounts under this key, and no others."""
    return {"break": found.id, "currency": found.currency, **_amounts(found)}


def _amounts(found: Break) -> dict[str, Decimal | None]:
    return {
        "cpq": found.cpq_amount, "billing": found.billing_amount, "erp": found.erp_amount,
    }  # fmt: skip


def carry_out_write_off(approval_id: uuid.UUID, *, actor: Actor, now: dt.datetime) -> bool:
    """Do what a second person approved, unless the break is another since; then it is told."""
    approval = Approval.objects.get(id=approval_id)
    with acting(actor):
        found = Break.objects.select_for_update().get(id=approval.subject_id)
        why_not = why_not_write_off(found)
        if not why_not and content_hash(_content(found)) != approval.content_hash:
            why_not = "The amounts have changed since it was asked."
        if why_not:
            told = break_event(found, "write_off_refused", reason=f"{approval.code}: {why_not}")
            publish_events([told], actor=actor, now=now)
            return False
        by = f"{approval.requested_by_label}, approved by {approval.decided_by_label}"
        write_off_breaks([found.id], reason=approval.reason, by=by, actor=actor, now=now)
    return True


def write_off_breaks(
    ids: Sequence[uuid.UUID], *, reason: str, by: str, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Close differences as accepted; who may is decided before. ``by`` is who accepted them.

    They stay written off for as long as the amounts do not change.
    """
    kept = reason.strip()[:200]
    with acting(actor):
        moved = transition_set(
            Break, "write_off", ids, closed_at=now, closed_reason=kept, closed_by_label=by[:250]
        )
        breaks = list(Break.objects.filter(id__in=moved))
        events = [break_event(b, "written_off", reason=f"{kept} ({by})") for b in breaks]
        publish_events(events, actor=actor, now=now)
        close_break_cases(moved, reason=f"Written off: {kept}", actor=actor, now=now)
    return moved
