"""Remedies that a second person must approve: a value's mapping, and what happened to a write."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.services import request_approval
from apps.approvals.types import ApprovalRequest
from apps.connectors.selectors import platform_name
from apps.core.principal import Actor
from apps.events.services import acting
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.mappings.errors import MappingError
from apps.mappings.models import Mapping, ValueMapRow
from apps.mappings.services import propose_version, set_row, start_draft
from apps.mappings.types import RowDraft
from apps.organisation.models import LegalEntity
from apps.postings.models import STUCK, Posting
from apps.postings.services import (
    accept_postings,
    adopt_postings,
    doubt_postings,
    requeue_postings,
    skip_postings,
)
from apps.rehearsals.selectors import unknown_targets
from apps.rehearsals.services import rehearse_version
from apps.resolutions.errors import RemedyError
from apps.resolutions.forms import ABSENT, ACCEPT, ACKNOWLEDGED, EXISTS
from apps.resolutions.models import Resolution
from apps.resolutions.policies import reason_fault
from apps.resolutions.services.chosen import Chosen
from apps.resolutions.services.records import FAILED, PROPOSED, STARTED, Tried, record
from apps.resolutions.services.retry import retry_cases
from apps.resolutions.types import DECIDE, MAP_VALUE, SKIP

OUTCOME_KIND = "outcome_decision"
SKIPPED = "skipped"
OUTCOME_SUBJECT = "postings.posting"
MAPPED = ("unmapped_product", "unmapped_value", "unknown_reference")


def map_value(chosen: Chosen) -> Resolution:
    """Propose a row of the value map, tried on recorded documents. Once a second person approves,
    the version is activated and every open case that it settles is tried again.

    A target that nothing read from the platform carries must be acknowledged (ADR-0027).
    """
    code = str(chosen.case.facts.get("mapping", ""))
    row = _row(chosen)
    _check_target(chosen, code, row)
    try:
        approval = _propose(chosen, code, row)
    except Mapping.DoesNotExist as error:
        raise RemedyError(f"There is no value map {code}. Ask an admin to set it up.") from error
    except (MappingError, ApprovalError) as error:
        raise RemedyError(str(error)) from error
    params = {"mapping": code, "source": row.source, "target": row.target, "scope": row.scope}
    tried = Tried(MAP_VALUE, params, chosen.reason, approval.id)
    return record([chosen.case], tried, actor=chosen.principal.actor, now=chosen.now)[0]


def _row(chosen: Chosen) -> RowDraft:
    source = chosen.text("source_value") or str(chosen.case.facts.get("key", ""))
    scope = chosen.text("scope")
    if scope and not LegalEntity.objects.filter(code=scope).exists():
        raise RemedyError("Correct the named field.", {"scope": f"There is no entity {scope}."})
    return RowDraft(
        source=source,
        target=chosen.needed("target_value", f"Enter what {source} becomes at the platform."),
        scope=scope,
        note=chosen.case.reference,
    )


def _check_target(chosen: Chosen, code: str, row: RowDraft) -> None:
    """Refuse what did not work before, and what nobody has seen unless a person vouches for it."""
    if row.target == chosen.case.facts.get("target"):
        words = f"{row.target} is what the platform refused. Enter another value."
        raise RemedyError("Nothing would change.", {"target_value": words})
    if chosen.params.get(ACKNOWLEDGED) or not unknown_targets(code, [row.target]):
        return
    platform = platform_name(code.partition(".")[2])
    raise RemedyError(
        "Check the value first.",
        {
            "target_value": f"Nothing read from {platform} carries {row.target}, and no row of "
            f"{code} uses it.",
            ACKNOWLEDGED: f"Look {row.target} up in {platform}. Tick this if it is there; correct "
            f"the value if it is not.",
        },
    )


def _propose(chosen: Chosen, code: str, row: RowDraft) -> Approval:
    principal, now = chosen.principal, chosen.now
    draft = start_draft(code, actor=principal.actor, now=now)
    set_row(draft.id, row, actor=principal.actor)
    rehearse_version(draft.id, actor=principal.actor, now=now)
    note = chosen.reason or f"{chosen.case.reference}: {chosen.case.title}"
    return propose_version(draft.id, principal=principal, now=now, note=note)


def retry_mapped(codes: Sequence[str], *, actor: Actor, now: dt.datetime) -> list[ExceptionCase]:
    """Try every open case whose value a newly active version of these value maps mends."""
    with acting(actor):
        locked = ExceptionCase.objects.select_for_update(of=("self",))
        waiting = locked.select_related("legal_entity").filter(
            code__in=MAPPED, state__in=OPEN_STATES
        )
        cases = [case for case in waiting if case.facts.get("mapping") in codes]
        known = _known_values(codes, {str(case.facts.get("key", "")) for case in cases})
        settled = [case for case in cases if _is_known(case, known)]
        moved = retry_cases(settled, actor=actor, now=now)
        again = [case for case in settled if case.id in moved]
        _record_mapped(again, actor, now)
    return again


def _known_values(codes: Sequence[str], keys: set[str]) -> dict[tuple[str, str, str], str]:
    """What the active versions make of some values: (map, value, scope) → target."""
    rows = ValueMapRow.objects.filter(
        version__mapping__code__in=codes, version__state="active", source_value__in=keys
    ).values_list("version__mapping__code", "source_value", "scope", "target_value")
    return {(code, source, scope): target for code, source, scope, target in rows}


def _is_known(case: ExceptionCase, known: dict[tuple[str, str, str], str]) -> bool:
    """Whether a value that was missing is mapped now, or one that was refused becomes another."""
    facts = case.facts
    mapping, key = str(facts.get("mapping")), str(facts.get("key"))
    entity = case.legal_entity.code if case.legal_entity else ""
    scopes = (str(facts.get("scope") or ""), entity, "")
    found = [known[mapping, key, scope] for scope in scopes if (mapping, key, scope) in known]
    return bool(found) and found[0] != facts.get("target")


def _record_mapped(cases: Sequence[ExceptionCase], actor: Actor, now: dt.datetime) -> None:
    """The proposal that started it is under way now; the other members get a row of their own."""
    ids = [case.id for case in cases]
    proposed = Resolution.objects.filter(case_id__in=ids, remedy=MAP_VALUE, outcome=PROPOSED)
    asked = set(proposed.values_list("case_id", flat=True))
    proposed.update(outcome=STARTED)
    rest = [case for case in cases if case.id not in asked]
    record(rest, Tried(MAP_VALUE, {"by": "family"}), actor=actor, now=now)


def decide_outcome(chosen: Chosen) -> Resolution:
    """Ask a second person to confirm what stands at the platform."""
    fault = reason_fault(chosen.reason)
    if fault:
        raise RemedyError("A reason is needed.", {"reason": fault})
    posting = chosen.subject.posting
    if posting is None or posting.state != "parked":
        raise RemedyError("The posting is not waiting for a decision any more.")
    decision = _decision(chosen, posting)
    try:
        approval = request_approval(
            _request(chosen, posting, decision), principal=chosen.principal, now=chosen.now
        )
    except ApprovalError as error:
        raise RemedyError(str(error)) from error
    tried = Tried(DECIDE, decision, chosen.reason, approval.id)
    return record([chosen.case], tried, actor=chosen.principal.actor, now=chosen.now)[0]


def skip_head(chosen: Chosen) -> Resolution:
    """Ask a second person to let what waits behind a stuck posting go on without it."""
    fault = reason_fault(chosen.reason)
    if fault:
        raise RemedyError("A reason is needed.", {"reason": fault})
    posting = chosen.subject.posting
    if posting is None or posting.state not in STUCK or posting.skipped_at is not None:
        raise RemedyError("The posting holds nothing up any more.")
    try:
        approval = request_approval(
            _request(chosen, posting, {"decision": SKIPPED, "external_id": ""}),
            principal=chosen.principal,
            now=chosen.now,
        )
    except ApprovalError as error:
        raise RemedyError(str(error)) from error
    tried = Tried(SKIP, {"decision": SKIPPED}, chosen.reason, approval.id)
    return record([chosen.case], tried, actor=chosen.principal.actor, now=chosen.now)[0]


def _decision(chosen: Chosen, posting: Posting) -> dict[str, str]:
    decision = chosen.needed("decision", "Choose what stands at the platform.")
    typed = "" if decision == ABSENT else chosen.text("external_id")
    external_id = typed or posting.external_id
    allowed = (EXISTS, ACCEPT, ABSENT) if posting.external_id else (EXISTS, ABSENT)
    if decision not in allowed:
        raise RemedyError("Correct the named field.", {"decision": "Choose one of the listed."})
    if decision == EXISTS and not external_id:
        raise RemedyError(
            "Fill in the missing field.", {"external_id": "Enter the document's id there."}
        )
    return {"decision": decision, "external_id": external_id}


def _request(chosen: Chosen, posting: Posting, decision: dict[str, str]) -> ApprovalRequest:
    words = {
        EXISTS: f"stands at the platform as {decision['external_id']}",
        ACCEPT: "is accepted although it differs",
        ABSENT: "is not at the platform and is sent again",
        SKIPPED: "is left aside, so that what waits behind it goes on",
    }
    if posting.external_id:
        words[ABSENT] = "was removed at the platform; it is looked for, then sent again"
    label = posting.document_label or posting.reference
    return ApprovalRequest(
        kind=OUTCOME_KIND,
        title=f"{label} {words[decision['decision']]}",
        subject_type=OUTCOME_SUBJECT,
        subject_id=posting.id,
        content={"posting": posting.id, "key": posting.key, **decision},
        reason=chosen.reason.strip(),
        legal_entity_id=posting.legal_entity_id,
        amount=posting.amount,
        currency=posting.currency,
        snapshot={
            "case": chosen.case.reference,
            "explanation": chosen.case.explanation,
            **decision,
        },
    )


def carry_out_decisions(
    decided: Sequence[tuple[uuid.UUID, Actor]], *, now: dt.datetime
) -> list[uuid.UUID]:
    """Do what was approved: (approval id, the checker). Returns the postings that moved."""
    moved: list[uuid.UUID] = []
    for approval_id, actor in decided:
        row = Resolution.objects.filter(approval_id=approval_id, outcome=PROPOSED).first()
        case = ExceptionCase.objects.filter(id=row.case_id).first() if row else None
        if row is None or case is None:
            continue
        with acting(actor):
            done = _carry_out(case.subject_id, row.params, actor, now)
            row.outcome = STARTED if done else FAILED
            row.outcome_note = "" if done else "The posting had moved on meanwhile."
            row.settled_at = None if done else now
            row.save(update_fields=["outcome", "outcome_note", "settled_at", "updated_at"])
            moved += done
    return moved


def _carry_out(
    posting_id: uuid.UUID, params: dict[str, Any], actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    decision = params["decision"]
    if decision == SKIPPED:
        return skip_postings([posting_id], actor=actor, now=now)
    if decision == EXISTS:
        return adopt_postings({posting_id: params["external_id"]}, actor=actor, now=now)
    if decision == ACCEPT:
        return accept_postings([posting_id], actor=actor, now=now)
    if params["external_id"]:  # it was written once, so it is looked up before it is sent again
        return doubt_postings([posting_id], actor=actor, now=now)
    return requeue_postings([posting_id], actor=actor, now=now)


def drop_proposals(approval_ids: Sequence[uuid.UUID], *, note: str, now: dt.datetime) -> None:
    """A request was rejected, expired or overtaken: what it would have done is not done."""
    rows = Resolution.objects.filter(approval_id__in=approval_ids, outcome=PROPOSED)
    rows.update(outcome=FAILED, outcome_note=note[:2000], settled_at=now)
