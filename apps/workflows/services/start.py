"""Starting runs."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from apps.core.ids import uuid7
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.core.rows import NOW, insert_rows
from apps.events.services import acting, publish_events
from apps.workflows.announce import run_event
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.registry import definition_of, newest
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
        common = {"due_at": NOW, "started_at": now}
        rows = [_row(run) for run in wanted]
        made = set(insert_rows(WorkflowRun, rows, common=common, unique=True))
        runs = [run for run in wanted if run.id in made]
        insert_rows(Step, [step for run in runs for step in _steps(run)])
        publish_events([run_event(run, "started") for run in runs], actor=ENGINE, now=now)
        enqueue_on_commit("workflows.advance", queue=QUEUE)
    return runs


ROW = (
    "id", "definition", "definition_version", "key", "subject_type", "subject_id", "label",
    "ordering_key", "legal_entity_id", "journey_id", "amount", "currency",
)  # fmt: skip


def _row(run: WorkflowRun) -> dict[str, Any]:
    return {name: run.__dict__[name] for name in ROW}


def _run(draft: RunDraft, now: dt.datetime) -> WorkflowRun:
    definition = newest(draft.definition)
    return WorkflowRun(
        definition=definition.name,
        definition_version=definition.version,
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


def _steps(run: WorkflowRun) -> list[dict[str, Any]]:
    forms = definition_of(run.definition, run.definition_version).steps
    return [
        {
            "id": uuid7(),
            "run_id": run.id,
            "position": position,
            "name": form.name,
            "lane": form.lane,
            "kind": form.kind,
            "is_material": form.is_material,
            "legal_entity_id": run.legal_entity_id,
        }
        for position, form in enumerate(forms)
    ]
