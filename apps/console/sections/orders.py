"""Journeys: every contract from quote to ledger, as a list and as a picture."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from apps.console.listing import ViewTab
from apps.console.presentation.amounts import split_amount
from apps.console.presentation.durations import duration
from apps.console.presentation.journey import EventState, Journey, JourneyEvent, JourneyLane
from apps.monitoring.models import Journey as JourneyRecord
from apps.monitoring.selectors import journeys_amiss
from apps.monitoring.types import ItemView, JourneyView, LinkView

VIEWS = (
    ("all", "All"),
    ("open", "In flight"),
    ("stuck", "Stuck"),
    ("late", "Late"),
    ("done", "Complete"),
)
_STATES: dict[str, EventState] = {
    "done": "done", "running": "done", "failed": "failed", "expected": "expected",
    "soon": "soon", "late": "late",
}  # fmt: skip
_LINK_WORDS = {"case": "Exception", "break": "Recon break", "run": "Workflow"}


@dataclass(frozen=True, slots=True)
class JourneyRow:
    """A journey in the list."""

    key: str
    customer: str
    entity: str
    amount: Decimal
    currency: str
    state: str
    next_step: str
    next_due_at: dt.datetime | None
    opened_at: dt.datetime
    url: str


def journey_rows(
    journeys: Iterable[JourneyRecord], entities: Mapping[uuid.UUID, str]
) -> list[JourneyRow]:
    """Rows of a page of journeys; whose amounts differ is read at once."""
    journeys = list(journeys)
    amiss = journeys_amiss([journey.id for journey in journeys])
    return [
        JourneyRow(
            journey.key,
            journey.customer,
            entities.get(journey.legal_entity_id, "") if journey.legal_entity_id else "",
            journey.amount,
            journey.currency,
            _state(journey, amiss),
            journey.next_step,
            journey.next_due_at,
            journey.opened_at,
            reverse("journey", args=[journey.key]),
        )
        for journey in journeys
    ]


def _state(journey: JourneyRecord, amiss: Collection[uuid.UUID]) -> str:
    if journey.is_stuck:
        return "stuck"
    if journey.id in amiss:
        return "amounts_differ"
    return "completed" if journey.is_done else "running"


def journey_tabs(chosen: str) -> list[ViewTab]:
    base = reverse("orders")
    return [ViewTab(key, label, f"{base}?view={key}", key == chosen) for key, label in VIEWS]


@dataclass(frozen=True, slots=True)
class FigureLine:
    """A figure of the strip over the lanes."""

    label: str
    amount: Decimal | None
    css: str
    plus: bool


@dataclass(frozen=True, slots=True)
class LinkLine:
    """Something that hangs on the journey."""

    kind: str
    reference: str
    title: str
    url: str
    alarming: bool


@dataclass(frozen=True, slots=True)
class JourneyPage:
    """The page of one journey."""

    view: JourneyView
    picture: Journey
    verdict: str
    verdict_note: str
    figures: list[FigureLine]
    links: list[LinkLine]
    case_url: str
    dates: str


def journey_page(view: JourneyView, pages: Collection[str], now: dt.datetime) -> JourneyPage:
    """A journey shaped for its template; its boxes open those ``pages`` that its reader may."""
    links = [_link(link) for link in view.links]
    return JourneyPage(
        view=view,
        picture=_picture(view, pages, now),
        verdict=f"{view.verdict.text}.",
        verdict_note=_due_words(view.verdict.due_at, now),
        figures=_figures(view),
        links=links,
        case_url=next((x.url for x in links if x.kind == "Exception" and x.alarming), ""),
        dates=_dates(view),
    )


def _picture(view: JourneyView, pages: Collection[str], now: dt.datetime) -> Journey:
    lanes = tuple(
        JourneyLane(
            lane.key,
            lane.name,
            lane.system,
            f"{timezone.localtime(lane.last_known):%H:%M}" if lane.last_known else "",
        )
        for lane in view.lanes
    )
    known = {lane.key for lane in view.lanes}
    events = tuple(_event(item, pages) for item in view.items if item.lane in known)
    return Journey(lanes, events, timezone.localtime(now))


def _event(item: ItemView, pages: Collection[str]) -> JourneyEvent:
    detail = item.note
    if item.amount is not None and item.currency:
        text = split_amount(item.amount, item.currency)
        detail = f"{text.sign}{text.symbol}{text.whole}{text.fraction}"
        if item.note and item.state == "failed":
            detail = item.note
    if item.state in ("late", "soon", "expected"):
        word = "was due" if item.state == "late" else "by"
        detail = f"{word} {timezone.localtime(item.at):%-d %b %H:%M}"
    return JourneyEvent(
        item.lane,
        item.title,
        detail,
        item.at,
        _STATES[item.state],
        min(2, item.generation + 1),
        _item_url(item, pages),
        item.key,
    )


def _item_url(item: ItemView, pages: Collection[str]) -> str:
    """What a box opens: the calls of a write, the messages of a document, the page of a case."""
    if item.subject_type == "case":
        return reverse("exception", args=[item.key]) if "exceptions" in pages else ""
    if "messages" not in pages:
        return ""
    if item.subject_type == "posting":
        return f"{reverse('messages')}?{urlencode({'view': 'calls', 'q': str(item.subject_id)})}"
    if item.subject_type in ("quote", "amendment", "invoice"):
        return f"{reverse('messages')}?{urlencode({'q': item.key})}"
    return ""


def _due_words(due: dt.datetime | None, now: dt.datetime) -> str:
    if due is None:
        return ""
    local, today = timezone.localtime(due), timezone.localtime(now).date()
    when = f"{local:%H:%M}" if local.date() == today else f"{local:%-d %b %H:%M}"
    away = duration((due - now).total_seconds())
    return f"Due {when}, {away} ago." if due < now else f"Due {when}, in {away}."


def _figures(view: JourneyView) -> list[FigureLine]:
    lines = []
    for label, amount in view.figures:
        is_amendment = label.startswith("amendment")
        late = label == "in ledger" and not amount and view.verdict.kind in ("late", "stuck")
        css = "amendment" if is_amendment else "late" if late else ""
        lines.append(FigureLine(label, amount, css, is_amendment))
    return lines


def _link(link: LinkView) -> LinkLine:
    url = {
        "case": lambda: reverse("exception", args=[link.reference]),
        "break": lambda: f"{reverse('reconciliation')}?sel={link.reference}",
        "run": lambda: reverse("workflow", args=[link.subject_id]),
    }[link.kind]()
    title = link.title.replace("_", " ") if link.kind == "run" else link.title
    alarming = link.is_open and link.kind != "run"
    return LinkLine(_LINK_WORDS[link.kind], link.reference, title, url, alarming)


def _dates(view: JourneyView) -> str:
    if view.start_date is None or view.last_day is None:
        return ""
    return f"{view.start_date:%-d %b %Y} to {view.last_day:%-d %b %Y}"
