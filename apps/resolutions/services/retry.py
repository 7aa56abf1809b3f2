"""Trying again: each subject by its own app, with the facts of today."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.codec import to_json
from apps.core.principal import Actor
from apps.events.services import ask_again
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.exceptions.services import start_redrive
from apps.ingestion.models import UNREADABLE, InboundEvent
from apps.ingestion.services import receive_again
from apps.postings.models import Posting
from apps.postings.services import requeue_postings
from apps.resolutions.types import SET_ASIDE
from apps.workflows.definition import Facts, Post
from apps.workflows.models import Step
from apps.workflows.policies import REVERSE
from apps.workflows.registry import definition_of, fingerprint
from apps.workflows.services import retry_steps

OVER = ("succeeded", "skipped")
# Sending again could write a second document: two people decide about these first.
DECIDED_FIRST = ("amount_incident", "unknown_outcome_needs_decision")
RETRIED = ("postings.posting", "workflows.step", "ingestion.event", SET_ASIDE)

Changes = Mapping[uuid.UUID, Mapping[str, Any]]


def refusal(case: ExceptionCase) -> str:
    """Why a case cannot be retried, empty when it can."""
    if not case.is_open:
        return f"{case.reference} is {case.state} already."
    if case.code in DECIDED_FIRST:
        return f"{case.reference} may stand at the platform already. Decide what happened there."
    if case.subject_type not in RETRIED:
        return f"There is nothing to send again for {case.reference}. Close it with a reason."
    return ""


def standstill(case: ExceptionCase) -> str:
    """Why a case that may be retried did not go on, empty when it waits for nobody any more."""
    unread = InboundEvent.objects.filter(
        id=case.subject_id, state="dead", object_type=UNREADABLE
    ).exists()
    return f"{case.reference} still cannot be read as it came. Edit the message." if unread else ""


def retry_cases(
    cases: Sequence[ExceptionCase],
    *,
    actor: Actor,
    now: dt.datetime,
    changes: Changes | None = None,
) -> set[uuid.UUID]:
    """Try the subjects of cases again; returns the ids of the cases that went on.

    A posting's payload is decided again by its step, so that corrected records reach it;
    ``changes`` replace keys of a posting's payload on top.
    """
    moved: set[uuid.UUID] = set()
    by_type: dict[str, list[uuid.UUID]] = {}
    for case in cases:
        if not refusal(case):
            by_type.setdefault(case.subject_type, []).append(case.subject_id)
    _redrive_letters([case.subject_id for case in cases], actor, now)
    postings = by_type.get("postings.posting", [])
    if postings:
        fresh = fresh_payloads(postings)
        merged = {pk: {**fresh.get(pk, {}), **(changes or {}).get(pk, {})} for pk in postings}
        moved |= set(requeue_postings(postings, actor=actor, now=now, changes=merged))
    if steps := by_type.get("workflows.step"):
        moved |= set(retry_steps(steps, actor=actor, now=now))
    if events := by_type.get("ingestion.event"):
        moved |= set(receive_again(events, actor=actor, now=now))
    if passed := by_type.get(SET_ASIDE):
        moved |= set(ask_again(passed))
    return {case.id for case in cases if case.subject_id in moved}


def _redrive_letters(origin_ids: Sequence[uuid.UUID], actor: Actor, now: dt.datetime) -> None:
    letters = DeadLetter.objects.filter(origin_id__in=origin_ids, state="parked")
    start_redrive(list(letters.values_list("id", flat=True)), actor=actor, now=now)


def fresh_payloads(posting_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """What the steps of some postings would send today, by posting id. A posting without a step,
    or whose step would send nothing now, is left out and keeps what it has; so is one that undoes
    a write, which follows what was written then, and one whose workflow this release lacks."""
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
    fresh = {}
    for posting in postings:
        step = steps.get(posting.step_id) if posting.step_id else None
        if step is None or step.run_id not in views:
            continue
        form = definition_of(step.run.definition, step.run.definition_version).step(step.name)
        command = form.decide(views[step.run_id])
        if isinstance(command, Post):
            fresh[posting.id] = _not_earlier(to_json(dict(command.payload)), posting.payload)
    return fresh


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
