"""What the steps of some postings would send today, so that a retry carries what was mended."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.codec import to_json
from apps.postings.models import Posting
from apps.workflows.definition import Facts, Post
from apps.workflows.models import Step
from apps.workflows.policies import OVER, REVERSE
from apps.workflows.registry import definition_of, fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fresh:
    """Payloads by posting id, and why there is none, in words, where a step cannot decide."""

    payloads: dict[uuid.UUID, dict[str, Any]] = field(default_factory=dict)
    undecided: dict[uuid.UUID, str] = field(default_factory=dict)


def fresh_payloads(posting_ids: Sequence[uuid.UUID]) -> Fresh:
    """What the steps of some postings would send today. A posting without a step, or whose step
    would send nothing now, is left out and keeps what it has; so is one that undoes a write, which
    follows what was written then, and one whose workflow this release lacks."""
    rows = Posting.objects.filter(id__in=posting_ids, step_id__isnull=False)
    postings = list(rows.exclude(purpose__startswith=REVERSE))
    steps = {
        step.id: step
        for step in Step.objects.select_related("run").filter(
            id__in=[posting.step_id for posting in postings]
        )
        if fingerprint(step.run.definition, step.run.definition_version)
    }
    views = _views(list(steps.values()))
    fresh = Fresh()
    for posting in postings:
        step = steps.get(posting.step_id) if posting.step_id else None
        if step is not None and step.run_id in views:
            _decide(step, views[step.run_id], posting, fresh)
    return fresh


def _decide(step: Step, view: Facts, posting: Posting, fresh: Fresh) -> None:
    form = definition_of(step.run.definition, step.run.definition_version).step(step.name)
    try:
        command = form.decide(view)
    except Exception as error:
        # Most likely what an earlier step gave was taken back: it is decided again first.
        logger.exception("step %s of run %s cannot be decided", step.name, step.run_id)
        fresh.undecided[posting.id] = (
            f"What {step.name.replace('_', ' ')} of {step.run.label} would send cannot be told "
            f"now ({type(error).__name__}: {error}). A step before it may have gone back: when "
            f"that is done, retry."
        )
        return
    if isinstance(command, Post):
        payload = to_json(dict(command.payload))
        fresh.payloads[posting.id] = _not_earlier(payload, posting.payload)


def _views(steps: Sequence[Step]) -> dict[uuid.UUID, Facts]:
    """What the steps of some runs may read: facts of the subject and earlier outputs."""
    runs = {step.run_id: step.run for step in steps}
    outputs: dict[uuid.UUID, dict[str, Any]] = {run_id: {} for run_id in runs}
    done = Step.objects.filter(run_id__in=list(runs), state__in=OVER)
    for run_id, name, output in done.values_list("run_id", "name", "output"):
        outputs[run_id][name] = output
    by_definition: dict[tuple[str, int], list[uuid.UUID]] = {}
    for run in runs.values():
        by_definition.setdefault((run.definition, run.definition_version), []).append(run.id)
    views: dict[uuid.UUID, Facts] = {}
    for (name, version), ids in by_definition.items():
        loaded = definition_of(name, version).load([str(runs[pk].subject_id) for pk in ids])
        for pk in ids:
            facts = loaded.get(str(runs[pk].subject_id))
            if facts is not None:
                views[pk] = {**facts, "outputs": outputs[pk]}
    return views


def _not_earlier(fresh: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A posting date that a person moved on does not move back."""
    moved = before.get("posting_date")
    if not moved or not fresh.get("posting_date") or moved <= fresh["posting_date"]:
        return fresh
    return {**fresh, **dated(fresh, moved)}


def dated(payload: Mapping[str, Any], posting_date: str) -> dict[str, Any]:
    """The keys of a payload that carry its posting date (ISO), with another date."""
    changed: dict[str, Any] = {"posting_date": posting_date}
    if isinstance(payload.get("meant"), Mapping):
        changed["meant"] = {**payload["meant"], "document_date": posting_date}
    if isinstance(payload.get("invoice"), Mapping):
        changed["invoice"] = {**payload["invoice"], "posting_date": posting_date}
    return changed
