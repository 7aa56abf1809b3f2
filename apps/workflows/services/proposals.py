"""What two people decide about a run: one proposes, another approves, then it is carried out."""

import datetime as dt
import uuid
from typing import Any

from apps.approvals.models import Approval
from apps.approvals.services import request_approval
from apps.approvals.types import ApprovalRequest
from apps.core.principal import Actor, Principal
from apps.events.services import acting, publish_events
from apps.exceptions.models import ExceptionCase
from apps.exceptions.services import open_cases
from apps.workflows import policies
from apps.workflows.announce import run_case, run_event
from apps.workflows.errors import RunActionError
from apps.workflows.models import WorkflowRun
from apps.workflows.services.control import Held, compensate_runs, skip_step, why_not_compensate

COMPENSATION, SKIP = "run_compensation", "run_skip"
KINDS = (COMPENSATION, SKIP)
SUBJECT = "workflows.run"


def propose_compensation(
    run_id: uuid.UUID, *, reason: str, principal: Principal, now: dt.datetime
) -> Approval:
    """Ask another person to let a run be undone. Raises ``RunActionError``, ``ApprovalError``."""
    with acting(principal.actor):
        held = Held([run_id])
        held.refuse(lambda run: why_not_compensate(held, run))
        content = {"run": run_id, "undoes": undoes(held, held.runs[0])}
        title = f"Undo what {held.runs[0].label} has written"
        return _ask(held.runs[0], COMPENSATION, title, content, reason, principal, now)


def propose_skip(
    run_id: uuid.UUID, step: str, *, reason: str, principal: Principal, now: dt.datetime
) -> Approval:
    """Ask another person to let a run go on without a failed step. Raises as above."""
    with acting(principal.actor):
        held = Held([run_id])
        facts = {f.name: f for f in held.facts(held.runs[0])}
        held.refuse(lambda run: policies.skip_refusal(run.state, facts.get(step)))
        title = f"Go on without {step.replace('_', ' ')} of {held.runs[0].label}"
        content = {"run": run_id, "step": step}
        return _ask(held.runs[0], SKIP, title, content, reason, principal, now)


def request_compensation(
    run_id: uuid.UUID, *, reason: str, actor: Actor, now: dt.datetime
) -> ExceptionCase:
    """A program's wish that a run be undone becomes a case: people propose and approve it.

    Raises ``RunActionError`` when the run cannot be compensated.
    """
    with acting(actor):
        held = Held([run_id])
        run = held.runs[0]
        held.refuse(lambda each: why_not_compensate(held, each))
        draft = run_case(
            run,
            code="compensation_requested",
            title=f"{actor.label} asks to take back what {run.label} has written",
            explanation=f"{actor.label} says: {reason} Open the run and compensate it, which a "
            f"second person approves, or close this with the reason why not.",
        )
        event = run_event(run, "compensation_requested", reason=reason)
        publish_events([event], actor=actor, now=now)
        [case] = open_cases([draft], actor=actor, now=now)
    return case


def undoes(held: Held, run: WorkflowRun) -> list[str]:
    """The steps whose writes a compensation of this moment would undo, last first."""
    names = {f.name for f in held.facts(run) if f.has_undo and f.state == "succeeded"}
    done = [step for step in held.steps[run.id] if step.name in names]
    done.sort(key=lambda s: (s.finished_at or s.created_at, s.position), reverse=True)
    return [step.name for step in done]


def _ask(
    run: WorkflowRun,
    kind: str,
    title: str,
    content: dict[str, Any],
    reason: str,
    principal: Principal,
    now: dt.datetime,
) -> Approval:
    approval = request_approval(
        ApprovalRequest(
            kind=kind,
            title=title,
            subject_type=SUBJECT,
            subject_id=run.id,
            content=content,
            reason=reason,
            legal_entity_id=run.legal_entity_id,
            amount=run.amount,
            currency=run.currency,
            snapshot={**content, "document": run.label, "workflow": run.definition},
        ),
        principal=principal,
        now=now,
    )
    event = run_event(run, "decision_asked", reason=reason, approval=approval.code, kind=kind)
    publish_events([event], actor=principal.actor, now=now)
    return approval


def carry_out(approval_id: uuid.UUID, *, actor: Actor, now: dt.datetime) -> None:
    """Do what was approved, unless the run has moved on since; then it is told why not."""
    approval = Approval.objects.get(id=approval_id)
    try:
        with acting(actor):
            _do(approval, actor, now)
    except RunActionError as error:
        run = WorkflowRun.objects.get(id=approval.subject_id)
        told = run_event(run, "decision_refused", reason=str(error), approval=approval.code)
        with acting(actor):
            publish_events([told], actor=actor, now=now)


def _do(approval: Approval, actor: Actor, now: dt.datetime) -> None:
    run_id, reason = approval.subject_id, f"{approval.code}: {approval.reason}"
    if approval.kind == SKIP:
        skip_step(run_id, approval.snapshot["step"], reason=reason, actor=actor, now=now)
        return
    held = Held([run_id])
    if undoes(held, held.runs[0]) != approval.snapshot["undoes"]:
        raise RunActionError("The run has written or undone something since it was asked.")
    compensate_runs([run_id], reason=reason, actor=actor, now=now)
