"""What a case is about: the run, posting or message behind it, as timeline, steps and fields."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from apps.connectors.redaction import redact_document
from apps.console.presentation.timeline import StepState, Timeline, TimelineStep
from apps.console.presentation.words import in_words
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.postings.models import Attempt, Posting
from apps.workflows.models import Step, WorkflowRun

LANES = (
    ("cpq", "CPQ"), ("tax", "Tax"), ("billing", "Billing"),
    ("provisioning", "Provisioning"), ("erp", "ERP"), ("hub", "Hub"),
)  # fmt: skip
STATES: dict[str, StepState] = {
    "succeeded": "done", "failed": "failed", "running": "running", "waiting": "waiting",
    "compensated": "compensated",
}  # fmt: skip
LIST_STATES = {"succeeded": "done", "failed": "failed", "running": "run", "skipped": "done"}


@dataclass(frozen=True, slots=True)
class StepLine:
    """One line of the list of steps, the readable form of the timeline."""

    at: str
    label: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a payload: what the hub meant, and what was sent or expected."""

    field: str
    left: str
    right: str
    state: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What stands behind a case."""

    run: WorkflowRun | None = None
    posting: Posting | None = None
    message: InboundEvent | None = None
    steps: tuple[Step, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    fields: tuple[FieldLine, ...] = field(default=())

    @property
    def changed(self) -> int:
        return sum(line.state != "same" for line in self.fields)


def subject_of(case: ExceptionCase) -> Subject:
    """The run with its steps, the posting with its tries, or the message of a case."""
    unmapped = str(case.facts.get("key", "")) if case.facts.get("mapping") else ""
    if case.subject_type == "postings.posting":
        return _of_posting(Posting.objects.filter(pk=case.subject_id).first(), unmapped)
    if case.subject_type == "workflows.step":
        step = Step.objects.select_related("run").filter(pk=case.subject_id).first()
        posting = _posting(step.posting_id) if step else None
        return _with_run(step.run if step else None, posting)
    if case.subject_type == "ingestion.event":
        message = InboundEvent.objects.filter(pk=case.subject_id).first()
        return Subject(message=message, fields=tuple(_message_fields(message)))
    return Subject()


def _of_posting(posting: Posting | None, unmapped: str) -> Subject:
    run = None
    if posting is not None and posting.run_id is not None:
        run = WorkflowRun.objects.filter(pk=posting.run_id).first()
    return _with_run(run, posting, unmapped)


def _posting(posting_id: uuid.UUID | None) -> Posting | None:
    return Posting.objects.filter(pk=posting_id).first() if posting_id else None


def _with_run(run: WorkflowRun | None, posting: Posting | None, unmapped: str = "") -> Subject:
    steps = tuple(Step.objects.filter(run=run).order_by("position")) if run else ()
    tries = tuple(Attempt.objects.filter(posting=posting)) if posting else ()
    return Subject(run, posting, None, steps, tries, tuple(_posting_fields(posting, unmapped)))


def timeline_of(
    steps: Iterable[Step], attempts: Mapping[uuid.UUID | None, list[Attempt]], now: dt.datetime
) -> Timeline:
    """Steps that have begun as bars in the lanes they touch."""
    begun = [step for step in steps if step.started_at and step.state in STATES]
    used = {step.lane for step in begun}
    bars = tuple(
        TimelineStep(
            step.lane,
            step_name(step.name),
            step.started_at or now,
            step.finished_at,
            STATES[step.state],
            tuple(a.started_at for a in attempts.get(step.posting_id, [])),
        )
        for step in begun
    )
    return Timeline(tuple((key, name) for key, name in LANES if key in used), bars, now)


def step_name(name: str) -> str:
    """``customer_in_erp`` → ``Customer in ERP``."""
    return in_words(name).replace(" erp", " ERP").replace("cpq", "CPQ")


def step_lines(steps: Iterable[Step], *, begun_only: bool = False) -> list[StepLine]:
    """Steps as lines: time, name, state, and what they made or wait for."""
    return [
        StepLine(
            f"{timezone.localtime(moment):%H:%M}"
            if (moment := s.finished_at or s.started_at)
            else "",
            step_name(s.name),
            LIST_STATES.get(s.state, "wait"),
            step_note(s),
        )
        for s in steps
        if not begun_only or s.state != "pending"
    ]


def _clock(moment: dt.datetime | None) -> str:
    return f"{timezone.localtime(moment):%H:%M}" if moment else ""


def step_note(step: Step) -> str:
    """What a step made, why it failed or what it waits for, in a few words."""
    if step.state == "failed":
        return step.error_code
    if step.state == "waiting" and step.waits_for:
        return f"waits for {step.waits_for.split(':')[0].replace('_', ' ')}"
    external = step.output.get("external_id") or step.output.get("reference") or ""
    return str(external) if external else ("" if step.state == "succeeded" else step.state)


def flatten(value: Any, path: str = "") -> dict[str, str]:
    """A document as dotted paths and texts, in order."""
    if isinstance(value, Mapping):
        parts = [(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{place}]", inner) for place, inner in enumerate(value)]
    else:
        return {path: "" if value is None else str(value)}
    lines: dict[str, str] = {}
    for name, inner in parts:
        lines.update(flatten(inner, name))
    return lines


def _posting_fields(posting: Posting | None, unmapped: str) -> list[FieldLine]:
    """What was meant beside what was sent; the field at fault is marked.

    ``unmapped`` is a value that no mapping knows: nothing was sent because of it.
    """
    if posting is None:
        return []
    fault = posting.error_field
    meant = flatten(redact_document({k: v for k, v in posting.payload.items() if k != "meant"}))
    if unmapped and unmapped in meant.values():
        return [
            FieldLine(path, text, "no mapping", "missing")
            if text == unmapped
            else FieldLine(path, text, "", "same")
            for path, text in meant.items()
        ]
    sent = flatten(redact_document(posting.request or {}))
    if not sent:
        return [_line(path, text, "", fault) for path, text in meant.items()]
    return [_line(path, meant.get(path, ""), text, fault) for path, text in sent.items()]


def _line(path: str, left: str, right: str, fault: str) -> FieldLine:
    at_fault = bool(fault) and (path == fault or path.endswith(fault))
    return FieldLine(path, left, right, "missing" if at_fault else "same")


def _message_fields(message: InboundEvent | None) -> list[FieldLine]:
    """The message as it came, and as a person edited it."""
    if message is None:
        return []
    original = flatten(redact_document(message.payload or {}))
    edited = original
    if message.edited_payload:
        edited = flatten(redact_document(message.edited_payload))
    lines = []
    for path in {**original, **edited}:
        left, right = original.get(path, ""), edited.get(path, "")
        state = "changed" if left != right else "same"
        if message.error_field and path.endswith(message.error_field):
            state = "missing"
        lines.append(FieldLine(path, left, right, state))
    return lines
