"""One exception, beside the list or as a page: facts, cause, timeline, payload, activity."""

import datetime as dt
import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.collaboration.selectors import list_comments
from apps.console.presentation.timeline import Timeline
from apps.console.presentation.words import in_words
from apps.console.sections.case_rows import CaseRow, case_row, case_rows
from apps.console.sections.changes import people_behind
from apps.console.sections.messages import message_words
from apps.console.sections.subjects import (
    LANES,
    FieldLine,
    StepLine,
    Subject,
    step_lines,
    subject_of,
    timeline_of,
)
from apps.core.codec import to_json
from apps.core.principal import Principal
from apps.events.models import Event
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.monitoring.models import Journey
from apps.monitoring.projection import NAMES
from apps.postings.models import Attempt

CASE = "exception_case"
MODES = ("changed", "all", "raw")
FAMILY_ROWS = 8
_LANES = dict(LANES)


@dataclass(frozen=True, slots=True)
class Link:
    """A text with or without an address."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the side column."""

    icon: str
    label: str
    value: str
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the activity; ``who`` is empty when the hub itself acted."""

    who: str
    text: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to see a payload."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload behind a case in one of three modes."""

    mode: str
    modes: tuple[Mode, ...]
    lines: tuple[FieldLine, ...]
    total: int
    left_title: str
    right_title: str
    raw: str


@dataclass(frozen=True, slots=True)
class RemedyOffer:
    """A way to repair the case, as a button with its evidence."""

    title: str
    note: str
    url: str
    evidence: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Waits:
    """The request that a proposed remedy waits for, and who made it."""

    approval: str
    url: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class Offers:
    """What this person may do about a case; ``best`` is suggested first, unless a remedy waits
    for a second person already."""

    remedies: tuple[RemedyOffer, ...] = ()
    best: RemedyOffer | None = None
    can_retry: bool = False
    edit_url: str = ""
    waits: Waits | None = None


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """All that a case's panel and page show."""

    row: CaseRow
    code: str
    explanation: str
    technical: str
    is_open: bool
    closed_at: dt.datetime | None
    closed_by: str
    resolution: str
    resolution_note: str
    self_url: str
    target: str
    links: tuple[Link, ...]
    facts: tuple[Fact, ...]
    timeline: Timeline | None
    steps: tuple[StepLine, ...]
    payload: Payload
    activity: tuple[Entry, ...]
    siblings: int
    family_size: int
    family_url: str
    family_rows: tuple[CaseRow, ...] = ()
    best: RemedyOffer | None = None
    remedies: tuple[RemedyOffer, ...] = field(default=())
    can_retry: bool = True
    edit_url: str = ""
    waits: Waits | None = None
    previous_url: str = ""
    next_url: str = ""

    @property
    def suffix(self) -> str:
        """Tells a dialog that it was opened from the full page."""
        return "" if self.target == "#panel" else "?full=1"


def case_detail(
    case: ExceptionCase,
    principal: Principal,
    *,
    offers: Offers,
    now: dt.datetime,
    in_panel: bool,
) -> CaseDetail:
    """Everything about one case in about ten queries."""
    subject = subject_of(case)
    row = case_row(case)
    siblings = list(_siblings(case, principal))
    kind = "exception-panel" if in_panel else "exception"
    neighbours = ("", "") if in_panel else neighbour_urls(case, principal)
    return CaseDetail(
        row=row,
        code=case.code.upper(),
        explanation=case.explanation,
        technical=case.detail,
        is_open=case.is_open,
        closed_at=case.closed_at,
        closed_by=case.closed_by_label,
        resolution=case.resolution,
        resolution_note=case.resolution_note,
        self_url=reverse(kind, args=[row.number]),
        target="#panel" if in_panel else "#case",
        links=_links(case),
        facts=_facts(case, subject),
        timeline=_timeline(subject, now),
        steps=tuple(step_lines(subject.steps, begun_only=True)[-6:]),
        payload=payload_of(case, subject, "changed"),
        activity=activity_of(case, principal),
        siblings=len(siblings),
        family_size=len(siblings) + 1,
        family_url=f"{reverse('exceptions')}?family={case.family_id}" if siblings else "",
        family_rows=tuple(case_rows(siblings[:FAMILY_ROWS], beside=False)),
        best=offers.best,
        remedies=offers.remedies,
        can_retry=offers.can_retry,
        edit_url=offers.edit_url,
        waits=offers.waits,
        previous_url=neighbours[0],
        next_url=neighbours[1],
    )


def _siblings(case: ExceptionCase, principal: Principal) -> Any:
    return (
        ExceptionCase.objects.visible_to(principal)
        .filter(family_id=case.family_id, state__in=OPEN_STATES)
        .exclude(pk=case.pk)
        .order_by("sla_due_at", "id")[:200]
    )


def neighbour_urls(case: ExceptionCase, principal: Principal) -> tuple[str, str]:
    """Addresses of the open cases before and after this one in order of deadline."""
    rows = ExceptionCase.objects.visible_to(principal).filter(state__in=OPEN_STATES)
    earlier = Q(sla_due_at__lt=case.sla_due_at) | Q(sla_due_at=case.sla_due_at, id__lt=case.id)
    later = Q(sla_due_at__gt=case.sla_due_at) | Q(sla_due_at=case.sla_due_at, id__gt=case.id)
    found = (
        rows.filter(earlier).order_by("-sla_due_at", "-id").first(),
        rows.filter(later).order_by("sla_due_at", "id").first(),
    )
    before, after = (reverse("exception", args=[c.reference]) if c else "" for c in found)
    return before, after


def _links(case: ExceptionCase) -> tuple[Link, ...]:
    journey = reverse("journey-by-id", args=[case.journey_id]) if case.journey_id else ""
    entity = case.legal_entity.code if case.legal_entity else ""
    parts = (Link(case.document, journey), Link(case.customer), Link(entity))
    return tuple(link for link in parts if link.text)


def _facts(case: ExceptionCase, subject: Subject) -> tuple[Fact, ...]:
    facts = [
        Fact(
            "route",
            "Flow",
            in_words(case.flow),
            f"stopped at {dict(LANES).get(case.lane, 'the hub')}",
        ),
        Fact("hash", "Cause", in_words(case.code), in_words(case.category).lower()),
    ]
    if case.journey_id:
        key = Journey.objects.filter(pk=case.journey_id).values_list("key", flat=True).first()
        url = reverse("journey-by-id", args=[case.journey_id])
        facts.append(Fact("waypoints", "Journey", key or "Open", "quote to ledger", url))
    if subject.run:
        url = reverse("workflow", args=[subject.run.id])
        kind = in_words(subject.run.definition).lower()
        facts.append(Fact("workflow", "Run", subject.run.label, kind, url))
    if subject.posting:
        tries = subject.posting.attempts
        note = f"{tries} {'try' if tries == 1 else 'tries'}, key {subject.posting.reference}"
        facts.append(
            Fact(
                "send",
                "Write",
                NAMES.get(subject.posting.operation, subject.posting.operation),
                note,
            )
        )
    if subject.message:
        url = reverse("message", args=["in", subject.message.id])
        kind = message_words(subject.message.event_type)
        facts.append(Fact("inbox", "Message", kind, "as it came in", url))
    if case.blocks_close:
        facts.append(Fact("calendar-x", "Close", "Holds the period open"))
    if case.snoozed_until:
        until = timezone.localtime(case.snoozed_until)
        facts.append(Fact("alarm-clock", "Snoozed", f"until {until:%-d %b %H:%M}"))
    return tuple(facts)


def _timeline(subject: Subject, now: dt.datetime) -> Timeline | None:
    tries: dict[uuid.UUID | None, list[Attempt]] = defaultdict(list)
    for attempt in subject.attempts:
        tries[attempt.posting_id].append(attempt)
    timeline = timeline_of(subject.steps, tries, now)
    return timeline if timeline.steps else None


def payload_of(case: ExceptionCase, subject: Subject, mode: str) -> Payload:
    """The payload in one mode; ``changed`` are the fields at fault or edited."""
    chosen = mode if mode in MODES else "changed"
    lines = subject.fields
    if chosen == "changed":
        lines = tuple(line for line in lines if line.state != "same")
    url = reverse("exception-payload", args=[case.reference])
    labels = {
        "changed": f"{_difference(lines)} {subject.changed}",
        "all": f"All {len(subject.fields)}",
        "raw": "Raw",
    }
    modes = tuple(Mode(labels[m], f"{url}?mode={m}", m == chosen) for m in MODES)
    is_message = subject.message is not None
    right = "As edited" if is_message else "Sent"
    return Payload(
        chosen,
        modes,
        lines,
        len(subject.fields),
        "As it came" if is_message else "Meant",
        right if subject.has_two_sides else "",
        _raw(subject.document) if chosen == "raw" else "",
    )


def _raw(document: Any) -> str:
    """The document itself: its own shape, numbers as numbers, nothing as null."""
    return json.dumps(to_json(document), indent=1, ensure_ascii=False)


def _difference(lines: Sequence[FieldLine]) -> str:
    """What stands out: a field at fault may have been sent just as it was meant."""
    states = {line.state for line in lines} - {"same"}
    return "At fault" if states == {"missing"} else "Changed"


def activity_of(case: ExceptionCase, principal: Principal) -> tuple[Entry, ...]:
    """Comments and what happened to the case, newest first."""
    comments = list_comments(principal, CASE, [case.id])
    entries = [Entry(c.author_label, f"“{c.body}”", c.created_at) for c in comments]
    happened = Event.objects.filter(aggregate_id=case.id).exclude(type="comment.added")
    for event in happened.order_by("-id")[:30]:
        who = people_behind(event)
        entries.append(Entry(who, event_words(event), event.occurred_at))
    return tuple(sorted(entries, key=lambda entry: entry.at, reverse=True))


def event_words(event: Event) -> str:
    """An event as the end of a sentence: ``assigned this``, ``Opened``."""
    what = event.type.rsplit(".", 1)[-1].replace("_", " ")
    note = str(event.data.get("reason") or event.data.get("note") or "")
    words = f"{what} this" if people_behind(event) else what.capitalize()
    return f"{words}: {note}" if note else words
