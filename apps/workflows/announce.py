"""How this app tells others what happened to runs and steps."""

from apps.events.types import NewEvent
from apps.exceptions.types import CaseDraft
from apps.workflows.definition import Refuse
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.types import HeldRun, HeldStep

AnyRun = WorkflowRun | HeldRun
AnyStep = Step | HeldStep


def run_event(run: AnyRun, what: str, **more: object) -> NewEvent:
    """``run.<what>``; ``more`` says why (``reason``) and from where (``step``)."""
    return NewEvent(
        type=f"run.{what}",
        aggregate_type="workflow_run",
        aggregate_id=run.id,
        aggregate_version=run.epoch,
        legal_entity_id=run.legal_entity_id,
        journey_id=run.journey_id,
        data={
            "definition": run.definition,
            "subject_type": run.subject_type,
            "subject_id": str(run.subject_id),
            "label": run.label,
            **more,
        },
    )


def run_case(run: WorkflowRun, *, code: str, title: str, explanation: str) -> CaseDraft:
    """The case of a run that this release may not advance."""
    return CaseDraft(
        code=code,
        title=title,
        explanation=explanation,
        flow=run.definition,
        lane="hub",
        subject_type="workflows.run",
        subject_id=run.id,
        fingerprint=(code, run.definition, str(run.definition_version)),
        legal_entity_id=run.legal_entity_id,
        journey_id=run.journey_id,
        amount_at_risk=run.amount,
        currency=run.currency,
        document=run.label,
        facts={"run": str(run.id)},
        blocks_close=True,
    )


def step_event(run: AnyRun, step: AnyStep, what: str) -> NewEvent:
    return NewEvent(
        type=f"step.{what}",
        aggregate_type="step",
        aggregate_id=step.id,
        aggregate_version=step.attempt,
        legal_entity_id=run.legal_entity_id,
        journey_id=run.journey_id,
        data={
            "definition": run.definition,
            "run_id": str(run.id),
            "step": step.name,
            "lane": step.lane,
            "subject_type": run.subject_type,
            "subject_id": str(run.subject_id),
            "label": run.label,
            "output": step.output,
            "error_code": step.error_code,
            "error_message": step.error_message,
        },
    )


def step_case(run: AnyRun, step: AnyStep, refusal: Refuse) -> CaseDraft:
    """The case of a step that a person must help."""
    return CaseDraft(
        code=refusal.code,
        title=refusal.title,
        explanation=refusal.explanation,
        flow=run.definition,
        lane=step.lane,
        subject_type="workflows.step",
        subject_id=step.id,
        fingerprint=(refusal.code, step.name, str(refusal.facts.get("cause", ""))),
        legal_entity_id=run.legal_entity_id,
        journey_id=run.journey_id,
        amount_at_risk=run.amount,
        currency=run.currency,
        document=run.label,
        customer=str(refusal.facts.get("customer", "")),
        facts={"run": str(run.id), "step": step.name, **refusal.facts},
        blocks_close=step.is_material,
    )
