"""Requests that another person decides, each bound to the content it was made for."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.policies import refusal
from apps.approvals.types import ApprovalRequest
from apps.core.codec import content_hash, to_json
from apps.core.errors import StaleWriteError
from apps.core.fsm import transition_set
from apps.core.principal import Actor, Principal, system_actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent

EXPIRY = system_actor("approvals.expiry")


def request_approval(
    request: ApprovalRequest, *, principal: Principal, now: dt.datetime
) -> Approval:
    """Ask another person to decide.

    An open request for the same subject and content is returned as it stands; one for older
    content becomes stale. Raises ``ApprovalError`` for a principal who is not a person.
    """
    if principal.person_id is None:
        raise ApprovalError("A program cannot ask for an approval; a person must propose this.")
    digest = content_hash(request.content)
    with acting(principal.actor):
        standing = _standing(request)
        if standing is not None and standing.content_hash == digest:
            return standing
        if standing is not None:
            _move("make_stale", "stale", [standing.id], principal.actor, now)
        row = _row(request, digest, principal, principal.person_id)
        row.save(force_insert=True)
        made = Approval.objects.get(id=row.id)
        publish_events([approval_event(made, "requested")], actor=principal.actor, now=now)
    return made


def _row(
    request: ApprovalRequest, digest: str, principal: Principal, person_id: uuid.UUID
) -> Approval:
    return Approval(
        kind=request.kind,
        title=request.title[:200],
        subject_type=request.subject_type,
        subject_id=request.subject_id,
        content_hash=digest,
        snapshot=to_json(dict(request.snapshot)),
        amount=request.amount,
        currency=request.currency,
        reason=request.reason,
        requested_by_id=uuid.UUID(principal.actor.id),
        requested_by_label=principal.actor.label,
        requested_person_id=person_id,
        legal_entity_id=request.legal_entity_id,
        needed_by=request.needed_by,
    )


def _standing(request: ApprovalRequest) -> Approval | None:
    return (
        Approval.objects.select_for_update()
        .filter(
            kind=request.kind,
            subject_type=request.subject_type,
            subject_id=request.subject_id,
            state="requested",
        )
        .first()
    )


def approve(
    approval_id: uuid.UUID,
    *,
    principal: Principal,
    seen_hash: str,
    now: dt.datetime,
    note: str = "",
) -> Approval:
    """Decide yes. ``seen_hash`` is the content hash that the checker's page showed.

    Raises ``ApprovalError`` when this person may not or it is decided already, ``StaleWriteError``
    when the content is not what was seen.
    """
    return _decide("approve", "approved", approval_id, principal, seen_hash, note, now)


def reject(
    approval_id: uuid.UUID,
    *,
    principal: Principal,
    note: str,
    now: dt.datetime,
) -> Approval:
    """Decide no, with the reason. Raises ``ApprovalError``."""
    if not note.strip():
        raise ApprovalError("Say why you reject it, so that the maker can mend it.")
    return _decide("reject", "rejected", approval_id, principal, None, note, now)


def _decide(
    move: str,
    told: str,
    approval_id: uuid.UUID,
    principal: Principal,
    seen_hash: str | None,
    note: str,
    now: dt.datetime,
) -> Approval:
    with acting(principal.actor):
        visible = Approval.objects.visible_to(principal)
        approval = visible.select_for_update(of=("self",)).get(id=approval_id)
        _check(approval, principal, seen_hash)
        transition_set(
            Approval,
            move,
            [approval.id],
            decided_by_id=uuid.UUID(principal.actor.id),
            decided_by_label=principal.actor.label,
            decided_person_id=principal.person_id,
            decided_at=now,
            decision_note=note.strip(),
        )
        decided: Approval = Approval.objects.get(id=approval.id)
        publish_events([approval_event(decided, told)], actor=principal.actor, now=now)
    return decided


def _check(approval: Approval, principal: Principal, seen_hash: str | None) -> None:
    if approval.state != "requested":
        raise ApprovalError(f"{approval.code} is already {approval.state}.")
    why_not = refusal(principal, approval.kind, approval.requested_person_id)
    if why_not:
        raise ApprovalError(why_not)
    if seen_hash is not None and seen_hash != approval.content_hash:
        raise StaleWriteError(
            f"{approval.code} is not for the content you saw. Read it again, then decide."
        )


def make_stale(
    subjects: Sequence[tuple[str, uuid.UUID]], *, actor: Actor, now: dt.datetime
) -> list[Approval]:
    """Void the open requests of subjects whose content changed or that are no longer wanted."""
    wanted = set(subjects)
    waiting = Approval.objects.filter(
        state="requested", subject_id__in=[subject_id for _, subject_id in subjects]
    )
    ids = [a.id for a in waiting if (a.subject_type, a.subject_id) in wanted]
    return _move("make_stale", "stale", ids, actor, now)


def expire_overdue(*, now: dt.datetime) -> list[Approval]:
    """Expire requests that nobody decided by the time they were needed."""
    late = Approval.objects.filter(state="requested", needed_by__lte=now)
    return _move("expire", "expired", list(late.values_list("id", flat=True)), EXPIRY, now)


def _move(
    move: str, told: str, ids: Sequence[uuid.UUID], actor: Actor, now: dt.datetime
) -> list[Approval]:
    if not ids:
        return []
    with acting(actor):
        moved = transition_set(Approval, move, ids)
        approvals = list(Approval.objects.filter(id__in=moved).order_by("number"))
        publish_events([approval_event(a, told) for a in approvals], actor=actor, now=now)
    return approvals


def approval_event(approval: Approval, what: str) -> NewEvent:
    """``approval.<what>`` with what its subject's app needs to act."""
    return NewEvent(
        type=f"approval.{what}",
        aggregate_type="approval",
        aggregate_id=approval.id,
        legal_entity_id=approval.legal_entity_id,
        data={
            "number": approval.number,
            "kind": approval.kind,
            "title": approval.title,
            "subject_type": approval.subject_type,
            "subject_id": approval.subject_id,
            "content_hash": approval.content_hash,
            "requested_by": approval.requested_by_label,
            "decided_by": approval.decided_by_label,
            "decided_by_id": approval.decided_by_id,
            "note": approval.decision_note,
        },
    )
