"""Workflow runs: rows with the step they stand at, and one run as lanes, steps and events."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.urls import reverse

from apps.approvals.selectors import approvals_of
from apps.console.listing import Ticks
from apps.console.presentation.timeline import Timeline
from apps.console.presentation.words import in_words
from apps.console.sections.changes import Change, change_of
from apps.console.sections.event_words import Platforms, operation_words
from apps.console.sections.subjects import LANES, StepLine, step_lines, step_name, timeline_of
from apps.core.principal import Principal
from apps.events.models import Event
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.postings.models import Attempt, Posting
from apps.postings.selectors import attempts_of
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.policies import OPEN_RUNS
from apps.workflows.registry import all_definitions
from apps.workflows.selectors import steps_of

STATES = (
    "pending", "running", "waiting", "failed", "paused", "completed", "compensating",
    "compensated", "cancelled",
)  # fmt: skip
_KIND_WORDS = {
    "compensatable": "can be taken back", "pivot": "point of no return",
    "retriable": "tried until done",
}  # fmt: skip
_STANDS_AT = ("failed", "running", "waiting", "pending")


def every_definition() -> list[tuple[str, str]]:
    """Name and title of each workflow, once for all its versions."""
    return list({d.name: d.title for d in all_definitions()}.items())


class RunFilter(django_filters.FilterSet):
    """Filters of the list of runs."""

    q = django_filters.CharFilter(method="search")
    state = Ticks("state", [(s, s) for s in STATES])
    definition = Ticks("definition", every_definition)

    class Meta:
        model = WorkflowRun
        fields: list[str] = []

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(label__icontains=value) | Q(ordering_key__icontains=value))


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list."""

    id: uuid.UUID
    label: str
    definition: str
    state: str
    stands_at: str
    done: str
    amount: Decimal | None
    currency: str
    entity: str
    started_at: dt.datetime | None
    url: str
    journey_url: str


def run_rows(runs: Sequence[WorkflowRun]) -> list[RunRow]:
    """Rows of a page of runs, with their steps read at once."""
    steps: dict[uuid.UUID, list[Step]] = defaultdict(list)
    for step in steps_of([run.id for run in runs]):
        steps[step.run_id].append(step)
    return [_row(run, steps[run.id]) for run in runs]


def _row(run: WorkflowRun, steps: list[Step]) -> RunRow:
    ended = sum(step.state in ("succeeded", "skipped", "compensated") for step in steps)
    return RunRow(
        run.id,
        run.label,
        in_words(run.definition),
        run.state,
        stands_at(steps),
        f"{ended} of {len(steps)}",
        run.amount,
        run.currency,
        run.legal_entity.code if run.legal_entity else "",
        run.started_at,
        reverse("workflow", args=[run.id]),
        reverse("journey-by-id", args=[run.journey_id]) if run.journey_id else "",
    )


def stands_at(steps: Sequence[Step]) -> str:
    """The step that decides: a failed one first, then running, then waiting."""
    for state in _STANDS_AT:
        found = next((step for step in steps if step.state == state), None)
        if found:
            return f"{step_name(found.name)}, {found.state}"
    return "All steps done" if steps else ""


@dataclass(frozen=True, slots=True)
class RunButton:
    """Something to be done to a run; it opens a dialog. ``key`` is its single-key shortcut."""

    how: str
    label: str
    icon: str
    key: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a run, with its write and its case."""

    code: str
    name: str
    lane: str
    state: str
    kind: str
    note: str
    attempts: int
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    case_url: str
    case_number: str
    posting: Posting | None
    operation: str  # what the posting writes, in words
    may_reset: bool
    may_skip: bool


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run."""

    run: WorkflowRun
    title: str
    verdict: str
    verdict_note: str
    timeline: Timeline | None
    steps: list[StepRow]
    lines: list[StepLine]
    events: list[Change]
    journey_url: str
    buttons: list[RunButton]
    asked_url: str


def run_detail(run: WorkflowRun, principal: Principal, now: dt.datetime) -> RunDetail:
    """A run with steps, writes and tries, cases and events."""
    steps = steps_of([run.id])
    ids = [step.posting_id for step in steps if step.posting_id]
    postings = {p.id: p for p in Posting.objects.filter(id__in=ids)}
    tries: dict[uuid.UUID | None, list[Attempt]] = defaultdict(list)
    for attempt in attempts_of(ids):
        tries[attempt.posting_id].append(attempt)
    cases = _cases(steps, ids, principal)
    timeline = timeline_of(steps, tries, now)
    subjects = [run.id, *(step.id for step in steps)]
    verdict, note = _verdict(run, steps)
    platforms = Platforms()
    return RunDetail(
        run,
        in_words(run.definition),
        verdict,
        note,
        timeline if timeline.steps else None,
        [_step_row(run, step, postings, tries, cases) for step in steps],
        step_lines(steps),
        [
            change_of(event, platforms)
            for event in Event.objects.filter(aggregate_id__in=subjects).order_by("-id")[:50]
        ],
        reverse("journey-by-id", args=[run.journey_id]) if run.journey_id else "",
        run_buttons(run.state),
        _asked_url(run),
    )


PAUSE = RunButton("pause", "Pause…", "pause", "p")
RESUME = RunButton("resume", "Resume…", "play", "p")
COMPENSATE = RunButton("compensate", "Compensate…", "undo-2", "u", danger=True)
CANCEL = RunButton("cancel", "Cancel…", "circle-x", "d", danger=True)


def run_buttons(state: str) -> list[RunButton]:
    """What may make sense for a run in this state; the rules themselves are the workflows'."""
    buttons = {
        "pending": [PAUSE, CANCEL], "running": [PAUSE, COMPENSATE, CANCEL],
        "waiting": [PAUSE, COMPENSATE, CANCEL], "failed": [COMPENSATE, CANCEL],
        "paused": [RESUME, COMPENSATE, CANCEL], "completed": [COMPENSATE],
    }  # fmt: skip
    return buttons.get(state, [])


def _asked_url(run: WorkflowRun) -> str:
    """The request about this run that waits for a second person."""
    asked = approvals_of("workflows.run", [run.id]).get(run.id)
    waits = asked is not None and asked.state == "requested"
    return reverse("approval", args=[asked.code]) if asked and waits else ""


VERDICTS = {
    "completed": ("Completed.", "Every step has its result."),
    "compensated": ("Compensated.", "What it had written was taken back."),
    "paused": ("Paused.", "Nothing new is sent; what was sent is still confirmed."),
}


def _verdict(run: WorkflowRun, steps: Sequence[Step]) -> tuple[str, str]:
    if run.held_for:
        return "Held by this release.", "Its exception says why; nothing is sent meanwhile."
    if run.state == "compensating":
        return _retreat(steps)
    return VERDICTS.get(run.state) or _stand(run, steps)


def _stand(run: WorkflowRun, steps: Sequence[Step]) -> tuple[str, str]:
    """What a run that goes forward stands at."""
    failed = next((step for step in steps if step.state == "failed"), None)
    if failed:
        return f"{step_name(failed.name)} needs a person.", failed.error_message
    waiting = next((step for step in steps if step.state == "waiting"), None)
    if waiting:
        what = waiting.waits_for.split(":")[0].replace("_", " ")
        return f"{step_name(waiting.name)} waits.", f"For {what}." if what else ""
    return f"{run.state.capitalize()}.", ""


def _retreat(steps: Sequence[Step]) -> tuple[str, str]:
    """How far the compensation of a run is."""
    going = next((step for step in steps if step.state == "compensating"), None)
    if going is None:
        return "Being compensated.", "It waits for what is still being sent."
    if going.error_message:
        return f"{step_name(going.name)} cannot be taken back yet.", going.error_message
    return f"{step_name(going.name)} is being taken back.", ""


def _cases(
    steps: Sequence[Step], posting_ids: Sequence[uuid.UUID], principal: Principal
) -> dict[uuid.UUID, ExceptionCase]:
    subjects = [*(step.id for step in steps), *posting_ids]
    rows = ExceptionCase.objects.visible_to(principal).filter(
        subject_id__in=subjects, state__in=OPEN_STATES
    )
    return {case.subject_id: case for case in rows}


def _step_row(
    run: WorkflowRun,
    step: Step,
    postings: dict[uuid.UUID, Posting],
    tries: dict[uuid.UUID | None, list[Attempt]],
    cases: dict[uuid.UUID, ExceptionCase],
) -> StepRow:
    posting = postings.get(step.posting_id) if step.posting_id else None
    case = cases.get(step.id) or (cases.get(posting.id) if posting else None)
    note = step.error_message or (f"waits for {step.waits_for}" if step.waits_for else "")
    is_open = run.state in OPEN_RUNS
    return StepRow(
        step.name,
        step_name(step.name),
        dict(LANES).get(step.lane, step.lane),
        step.state,
        _KIND_WORDS.get(step.kind, ""),
        note or str(step.output.get("external_id", "")),
        len(tries.get(step.posting_id, [])) if step.posting_id else step.attempt,
        step.started_at,
        step.finished_at,
        reverse("exception", args=[case.reference]) if case else "",
        case.reference if case else "",
        posting,
        operation_words(posting.operation) if posting else "",
        is_open and step.state in ("succeeded", "skipped", "failed", "waiting"),
        is_open and step.state == "failed",
    )
