"""Starting runs."""

import datetime as dt
from collections.abc import Sequence

from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.events.services import acting, publish_events
from apps.workflows.announce import run_event
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.registry import fingerprint, newest
from apps.workflows.types import RunDraft

ENGINE = system_actor("workflows.engine")


def start_runs(drafts: Sequence[RunDraft], *, now: dt.datetime) -> list[WorkflowRun]:
    """Start runs that do not exist yet, with all their steps; returns those that were started."""
    if not drafts:
        return []
    with acting(ENGINE):
        wanted = {(d.definition, d.key): d for d in drafts}
        known = set(
            WorkflowRun.objects.filter(key__in=[d.key for d in drafts]).values_list(
                "definition", "key"
            )
        )
        runs = [_run(d, now) for pair, d in wanted.items() if pair not in known]
        WorkflowRun.objects.bulk_create(runs)
        Step.objects.bulk_create([step for run in runs for step in _steps(run)])
        publish_events([run_event(run, "started") for run in runs], actor=ENGINE, now=now)
        enqueue_on_commit("workflows.advance")
    return runs


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
        due_at=now,
        started_at=now,
    )


def _steps(run: WorkflowRun) -> list[Step]:
    return [
        Step(
            run=run,
            position=position,
            name=form.name,
            lane=form.lane,
            kind=form.kind,
            is_material=form.is_material,
            legal_entity_id=run.legal_entity_id,
        )
        for position, form in enumerate(newest(run.definition).steps)
    ]
