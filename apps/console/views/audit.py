"""The audit log: events with their actors, one event, and CSV."""

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.console.access import page
from apps.console.listing import (
    EXPORT_LIMIT,
    Column,
    csv_response,
    filter_menu,
    page_of,
    render_list,
)
from apps.console.presentation.words import in_words
from apps.console.requests import ConsoleRequest
from apps.console.sections.audit import (
    KINDS,
    SUBJECTS,
    EventFilter,
    event_detail,
    event_rows,
    event_summary,
)
from apps.core.clock import utc_now
from apps.events.models import Event
from apps.events.selectors import list_events

COLUMNS = (
    Column("Event"), Column("About", "c-wide"), Column("Note", "c-told"),
    Column("By", "c-wide"), Column("At", "c-date"),
)  # fmt: skip
EXPORT_HEADER = (
    "id", "type", "record", "record_id", "journey_id", "actor_kind", "actor", "occurred_at",
    "summary",
)  # fmt: skip


@page("audit")
def audit(request: ConsoleRequest) -> HttpResponse:
    """What happened, newest first."""
    rows = _found(request)
    shown = page_of(rows, request)
    subjects = [(s, in_words(s)) for s in SUBJECTS]
    context = {
        "heading": "Audit log",
        "note": "append-only, sealed by a hash chain",
        "menus": [
            filter_menu(request, "actor", "By", KINDS),
            filter_menu(request, "about", "About", subjects),
        ],
        "columns": COLUMNS,
        "page": shown,
        "events": event_rows(shown),
        "export_url": reverse("audit-export"),
        "now": utc_now(),
        "search_hint": "Event, person, record id",
        "empty_title": "No event matches.",
    }
    return render_list(request, "console/audit/list_body.html", context)


@page("audit")
def audit_event(request: ConsoleRequest, event_id: int) -> HttpResponse:
    """One event: data, actor, seal, and the state changes of its record."""
    found = list_events(request.principal).filter(pk=event_id).first()
    if found is None:
        raise Http404("There is no such event.")
    context = {"detail": event_detail(found), "now": utc_now()}
    return render(request, "console/audit/page.html", context)


@page("audit")
def export(request: ConsoleRequest) -> HttpResponse:
    """The filtered events as CSV, newest first, at most 50,000."""
    rows = _found(request)[:EXPORT_LIMIT]
    return csv_response(f"audit-{utc_now():%Y-%m-%d}", EXPORT_HEADER, map(_line, rows.iterator()))


def _found(request: ConsoleRequest) -> QuerySet[Event]:
    found: QuerySet[Event] = EventFilter(
        request.GET, list_events(request.principal), request=request
    ).qs
    return found


def _line(event: Event) -> tuple[object, ...]:
    return (
        event.id, event.type, event.aggregate_type, event.aggregate_id, event.journey_id,
        event.actor_kind, event.actor_label, event.occurred_at, event_summary(event),
    )  # fmt: skip
