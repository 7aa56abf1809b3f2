"""What a case is about: the run, posting or message behind it, as timeline, steps and fields."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from apps.connectors.redaction import redact_document
from apps.console.presentation.timeline import StepState, Timeline, TimelineStep
from apps.console.presentation.words import in_words
from apps.console.sections.redacted import masked
from apps.core.codec import loads
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.postings.models import STUCK, Attempt, Posting
from apps.workflows.models import Step, WorkflowRun

LANES = (
    ("cpq", "CPQ"), ("tax", "Tax"), ("billing", "Billing"),
    ("provisioning", "Provisioning"), ("erp", "ERP"), ("hub", "Hub"),
)  # fmt: skip
STATES: dict[str, StepState] = {
    "succeeded": "done", "failed": "failed", "running": "running", "waiting": "waiting",
    "compensated": "compensated",
}  # fmt: skip
# Fields at fault that the platforms do not name, by what they say is wrong.
_FAULTS = {"period_closed": "posting_date"}
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
    """One field of a payload: what the hub meant, and what was sent or expected. A document with
    one side alone has nothing on the right."""

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
    document: Any = None  # what the fields are of, with private values masked
    has_two_sides: bool = False  # something was sent, or edited

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
        lines, document, is_edited = _message_lines(message)
        return Subject(
            message=message, fields=tuple(lines), document=document, has_two_sides=is_edited
        )
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
    lines, document, was_sent = _posting_lines(posting, unmapped)
    return Subject(run, posting, None, steps, tries, tuple(lines), document, was_sent)


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


def field_lines(document: Any) -> list[FieldLine]:
    """A document field by field, private values masked."""
    lines = flatten(redact_document(document))
    return [FieldLine(path, text, "", "same") for path, text in lines.items()]


def _posting_lines(posting: Posting | None, unmapped: str) -> tuple[list[FieldLine], Any, bool]:
    """What was meant beside what was sent with the field at fault marked, the document itself,
    and whether there is anything to put beside what was meant.

    ``unmapped`` is a value that no mapping knows: nothing was sent because of it.
    """
    if posting is None:
        return [], None, False
    fault = _fault_of(posting)
    intent = {key: value for key, value in posting.payload.items() if key != "meant"}
    document = redact_document(intent, at_fault=_leaf(fault))
    meant = flatten(document)
    if unmapped and unmapped in meant.values():
        lines = [
            FieldLine(path, text, "no mapping", "missing")
            if text == unmapped
            else FieldLine(path, text, "", "same")
            for path, text in meant.items()
        ]
        return lines, document, True
    if not posting.request:
        lines = [FieldLine(path, text, "", "same") for path, text in meant.items()]
        return _marked(lines, fault), document, False
    document = redact_document(posting.request, at_fault=_leaf(fault))
    sent = [FieldLine(p, meant.get(p, ""), text, "same") for p, text in flatten(document).items()]
    return _marked(sent, fault, meant.get(fault, "")), document, True


def _fault_of(posting: Posting) -> str:
    """The field that holds a write up, empty once it goes on: a corrected value is no fault."""
    if posting.state not in STUCK:
        return ""
    return posting.error_field or _FAULTS.get(posting.error_code, "")


def _leaf(fault: str) -> str:
    return fault.rsplit(".", 1)[-1]


def _marked(lines: list[FieldLine], fault: str, meant: str = "") -> list[FieldLine]:
    """The lines with the one at fault marked: by its path, else by the value that was meant, which
    the platform knows under another name, else as a line of its own: it is not there at all."""
    if not fault:
        return lines
    named = [line for line in lines if line.field == fault]
    named = named or [line for line in lines if line.field.endswith(f".{fault}")]
    wrong = named or [line for line in lines if meant and line.right == meant]
    if not wrong:
        return [*lines, FieldLine(fault, meant, "", "missing")]
    return [replace(line, state="missing") if line in wrong else line for line in lines]


def _message_lines(message: InboundEvent | None) -> tuple[list[FieldLine], Any, bool]:
    """The message as it came beside what a person made of it, the document in force, and whether
    anybody edited it."""
    if message is None:
        return [], None, False
    fault = message.error_field if message.state == "dead" else ""
    original, edited = _as_it_came(message), message.edited_payload
    if edited is None:
        document = redact_document(original, at_fault=_leaf(fault))
        lines = [FieldLine(path, text, "", "same") for path, text in flatten(document).items()]
        return _marked(lines, fault), document, False
    came = flatten(redact_document(_part_of(original, edited), at_fault=_leaf(fault)))
    document = redact_document(edited, at_fault=_leaf(fault))
    made = flatten(document)
    lines = [
        FieldLine(path, left, right, "changed" if left != right else "same")
        for path in {**came, **made}
        for left, right in [(came.get(path, ""), made.get(path, ""))]
    ]
    return _marked(lines, fault), document, True


def _as_it_came(message: InboundEvent) -> Any:
    """The payload; of a body that nobody could read, its JSON where it is any."""
    payload: dict[str, Any] = message.payload or {}
    if set(payload) != {"raw"}:
        return payload
    text = str(payload["raw"])
    try:
        read = loads(text)
    except ValueError:
        read = None
    return read if isinstance(read, dict | list) else {"raw": masked(text)}


def _part_of(original: Any, edited: Mapping[str, Any]) -> Any:
    """The part of a body that an edit is of: an event is edited whole, and the hub keeps the
    record inside it. It is the one whose fields are the edited ones most of all."""
    parts, place = [original], 0
    while place < len(parts):
        inner = parts[place].values() if isinstance(parts[place], Mapping) else ()
        parts += [part for part in inner if isinstance(part, Mapping)]
        place += 1

    def likeness(part: Any) -> float:
        return len(set(part) & set(edited)) ** 2 / len(part) if part else 0.0

    return max((p for p in parts if isinstance(p, Mapping)), key=likeness, default=original)
