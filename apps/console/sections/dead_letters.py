"""Dead letters: facets with counts, rows, and one letter with its tries."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from apps.connectors.models import Exchange
from apps.console.presentation.words import in_words
from apps.console.requests import ConsoleRequest
from apps.console.sections.subjects import FieldLine, field_lines
from apps.core.principal import Principal
from apps.exceptions.models import DeadLetter
from apps.exceptions.selectors import list_dead_letters
from apps.ingestion.models import InboundEvent
from apps.monitoring.models import Journey
from apps.postings.models import Attempt, Posting

STATES = (
    ("parked", "Needs a decision"),
    ("redriving", "In redrive"),
    ("redriven", "Redriven"),
    ("discarded", "Discarded"),
)


@dataclass(frozen=True, slots=True)
class FacetChoice:
    """A value of a facet with its figure; ``share`` in percent draws the bar."""

    label: str
    count: int
    url: str
    current: bool
    share: int | None = None


@dataclass(frozen=True, slots=True)
class FacetGroup:
    """A titled facet."""

    title: str
    choices: list[FacetChoice]


def letters_of(request: ConsoleRequest) -> QuerySet[Any]:
    """The rows of the chosen facets and search."""
    rows = list_dead_letters(request.principal, request.GET.get("state", "parked"))
    for name in ("error_code", "connection_code"):
        if request.GET.get(name):
            rows = rows.filter(**{name: request.GET[name]})
    text = request.GET.get("q", "").strip()
    if not text:
        return rows
    found = Q(message_type__icontains=text) | Q(error_message__icontains=text)
    number = text.upper().removeprefix("DL-")
    return rows.filter(found | Q(number=int(number)) if number.isdecimal() else found)


def facet_groups(request: ConsoleRequest) -> list[FacetGroup]:
    """State, error class and connection with their counts, in three small queries."""
    state = request.GET.get("state", "parked")
    rows = list_dead_letters(request.principal).select_related(None).order_by()
    by_state = dict(rows.values("state").annotate(n=Count("pk")).values_list("state", "n"))
    states = [
        FacetChoice(label, by_state.get(key, 0), _url(request, state=key), key == state)
        for key, label in STATES
    ]
    within = rows.filter(state=state)
    return [
        FacetGroup("State", states),
        FacetGroup("Error class", _choices(request, within, "error_code")),
        FacetGroup("Connection", _choices(request, within, "connection_code")),
    ]


def _choices(request: ConsoleRequest, rows: QuerySet[Any], column: str) -> list[FacetChoice]:
    counted = list(rows.values(column).annotate(n=Count("pk")).order_by("-n")[:12])
    most = max((c["n"] for c in counted), default=1)
    chosen = request.GET.get(column, "")
    return [
        FacetChoice(
            in_words(c[column]),
            c["n"],
            _url(request, **{column: "" if c[column] == chosen else c[column]}),
            c[column] == chosen,
            round(100 * c["n"] / most),
        )
        for c in counted
    ]


def _url(request: ConsoleRequest, **changes: str) -> str:
    kept = {k: v for k, v in request.GET.items() if k not in ("page", "sel")} | changes
    return f"{request.path}?{urlencode({k: v for k, v in kept.items() if v})}"


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter in the list; ``in_target`` says whether the target has it already."""

    number: str
    document: str
    customer: str
    reason: str
    connection: str
    error_code: str
    message_type: str
    in_target: str
    tries: int
    letter: DeadLetter
    selected: bool


def _told(letter: DeadLetter, posting: Posting | None, customer: str) -> tuple[str, str]:
    """The document number and the customer; what is stuck in words where neither is known."""
    case = letter.case
    document = (case.document if case else "") or (posting.document_label if posting else "")
    words = letter.message_type.replace("_", " ").replace(".", " ").capitalize()
    return document or words, (case.customer if case else "") or customer


def letter_rows(letters: Iterable[DeadLetter], selected: str = "") -> list[LetterRow]:
    """Rows, with the state of their postings and the customers of their journeys read at once."""
    letters = list(letters)
    origins = [d.origin_id for d in letters if d.origin_type == "postings.posting"]
    known = {p.id: p for p in Posting.objects.filter(id__in=origins)}
    journeys = Journey.objects.filter(id__in=[d.journey_id for d in letters if d.journey_id])
    customers = dict(journeys.values_list("id", "customer"))
    return [
        LetterRow(
            letter.code,
            *_told(letter, known.get(letter.origin_id), customers.get(letter.journey_id, "")),
            letter.error_message.split("\n")[0],
            letter.connection_code,
            letter.error_code,
            letter.message_type,
            _in_target(letter, known.get(letter.origin_id)),
            letter.attempts,
            letter,
            letter.code == selected,
        )
        for letter in letters
    ]


def _in_target(letter: DeadLetter, posting: Posting | None) -> str:
    if letter.origin_type != "postings.posting" or posting is None:
        return "Not applied"
    if posting.state == "confirmed":
        return "Yes"
    return "Unknown" if posting.state == "unknown" else "No"


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """One letter beside the list."""

    letter: DeadLetter
    document: str
    customer: str
    fields: list[FieldLine]
    tries: list[Attempt]
    calls: list[Exchange]
    case_url: str
    journey_url: str


def letter_detail(letter: DeadLetter, principal: Principal) -> LetterDetail:
    """A letter with its payload (redacted), tries and calls."""
    posting = Posting.objects.filter(pk=letter.origin_id).first()
    message = None if posting else InboundEvent.objects.filter(pk=letter.origin_id).first()
    document = (posting.request or posting.payload) if posting else None
    document = document or (message.edited_payload or message.payload if message else {}) or {}
    journey = Journey.objects.filter(pk=letter.journey_id).first() if letter.journey_id else None
    calls = Exchange.objects.visible_to(principal).filter(subject_id=letter.origin_id)
    return LetterDetail(
        letter,
        *_told(letter, posting, journey.customer if journey else ""),
        field_lines(document)[:40],
        list(Attempt.objects.filter(posting=posting)) if posting else [],
        list(calls.order_by("-id")[:10]),
        reverse("exception", args=[letter.case.reference]) if letter.case else "",
        reverse("journey-by-id", args=[letter.journey_id]) if letter.journey_id else "",
    )
