"""Starting runs."""

import datetime as dt
from collections.abc import Sequence

from apps.core.ids import uuid7
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.core.rows import NOW, Statement, insert_rows, insert_statement, run_together
from apps.events.services import acting, event_statements
from apps.workflows.announce import run_event
from apps.workflows.definition import StepForm
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.registry import definition_of, fingerprint, newest
from apps.workflows.types import RunDraft

ENGINE = system_actor("workflows.engine")


QUEUE = "workflows"  # the engine's own, so that its bell waits behind nothing else


def start_runs(drafts: Sequence[RunDraft], *, now: dt.datetime) -> list[WorkflowRun]:
    """Start runs that do not exist yet, with all their steps; returns those that were started."""
    if not drafts:
        return []
    with acting(ENGINE):
        distinct = {(draft.definition, draft.key): draft for draft in drafts}
        wanted = [_run(draft, now) for draft in distinct.values()]
        columns = {name: [run.__dict__[name] for run in wanted] for name in ROW}
        common = {"due_at": NOW, "started_at": now}
        made = set(insert_rows(WorkflowRun, columns, common=common, unique=True))
        if runs := [run for run in wanted if run.id in made]:
            events = [run_event(run, "started") for run in runs]
            told = event_statements(events, actor=ENGINE, now=now)
            run_together([_steps_statement(runs), *told])
        enqueue_on_commit("workflows.advance", queue=QUEUE)
    return runs


ROW = (
    "id", "definition", "definition_version", "key", "subject_type", "subject_id", "label",
    "ordering_key", "legal_entity_id", "journey_id", "amount", "currency", "fingerprint",
)  # fmt: skip


def _run(draft: RunDraft, now: dt.datetime) -> WorkflowRun:
    definition = newest(draft.definition)
    return WorkflowRun(
        definition=definition.name,
        definition_version=definition.version,
        fingerprint=fingerprint(definition.name, definition.version),
        key=draft.key,
        subject_type=draft.subject_type,
        subject_id=draft.subject_id,
        label=draft.label,
        ordering_key=draft.ordering_key,
        legal_entity_id=draft.legal_entity_id,
        journey_id=draft.journey_id,
        amount=draft.amount,
        currency=draft.currency,
        started_at=now,
    )


def _steps_statement(runs: Sequence[WorkflowRun]) -> Statement:
    pairs = [(run, position, form) for run in runs for position, form in enumerate(_forms(run))]
    return insert_statement(
        Step,
        {
            "id": [uuid7() for _ in pairs],
            "run_id": [run.id for run, _, _ in pairs],
            "position": [position for _, position, _ in pairs],
            "name": [form.name for _, _, form in pairs],
            "lane": [form.lane for _, _, form in pairs],
            "kind": [form.kind for _, _, form in pairs],
            "is_material": [form.is_material for _, _, form in pairs],
            "legal_entity_id": [run.legal_entity_id for run, _, _ in pairs],
        },
    )


def _forms(run: WorkflowRun) -> Sequence[StepForm]:
    return definition_of(run.definition, run.definition_version).steps
