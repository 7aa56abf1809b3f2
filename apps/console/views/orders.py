"""Orders: journeys as a list, and one journey from quote to ledger."""

import json
import uuid
from dataclasses import asdict

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.console.access import allowed_pages, page
from apps.console.listing import Column, csv_response, filter_menu, page_of, render_list
from apps.console.requests import ConsoleRequest
from apps.console.sections.exception_list import entity_options
from apps.console.sections.orders import VIEWS, journey_page, journey_rows, journey_tabs
from apps.core.clock import utc_now
from apps.core.codec import dumps
from apps.monitoring.journey import journey_view
from apps.monitoring.models import Journey
from apps.monitoring.selectors import find_journey, get_journey, list_journeys
from apps.monitoring.types import JourneyView

COLUMNS = (
    Column("Order"), Column("State", "c-state"), Column("Next", "c-wide c-extra"),
    Column("Due", "c-sla"), Column("Amount", "c-amount num"), Column("Begun", "c-date c-extra"),
)  # fmt: skip


@page("orders")
def orders(request: ConsoleRequest) -> HttpResponse:
    """Journeys, newest change first; the search takes any id of any system."""
    now = utc_now()
    view = request.GET.get("view", "all")
    view = view if view in dict(VIEWS) else "all"
    entities = entity_options(request.principal)
    rows = list_journeys(request.principal, now=now, view=view, text=request.GET.get("q", ""))
    chosen = [key for key, _ in entities if key in request.GET.getlist("entity")]
    if chosen:
        rows = rows.filter(legal_entity_id__in=chosen)
    shown = page_of(rows, request)
    codes = {uuid.UUID(key): code for key, code in entities}
    context = {
        "heading": "Orders",
        "watch": "journeys",
        "views": journey_tabs(view),
        "current_view": view,
        "menus": [filter_menu(request, "entity", "Entity", entities)],
        "columns": COLUMNS,
        "page": shown,
        "journeys": journey_rows(shown, codes),
        "now": now,
        "search_hint": "Any id of any system",
        "empty_title": "No order matches.",
        "empty_note": "Search takes quote, order, subscription, invoice and ledger ids.",
    }
    return render_list(request, "console/orders/list_body.html", context)


@page("orders")
def journey(request: ConsoleRequest, key: str) -> HttpResponse:
    """One journey by the key of its contract or any id that leads to it."""
    found = find_journey(key, request.principal)
    if found is None:
        return redirect(f"{reverse('find')}?q={key}")
    return _render(request, found.id)


@page("orders")
def journey_by_id(request: ConsoleRequest, journey_id: uuid.UUID) -> HttpResponse:
    """One journey by its id, which is the correlation id of all its records."""
    return _render(request, journey_id)


def _view(request: ConsoleRequest, journey_id: uuid.UUID) -> JourneyView:
    try:
        return journey_view(journey_id, request.principal, now=utc_now())
    except Journey.DoesNotExist as error:
        raise Http404("There is no such journey.") from error


def _render(request: ConsoleRequest, journey_id: uuid.UUID) -> HttpResponse:
    now = utc_now()
    shown = journey_page(_view(request, journey_id), allowed_pages(request.principal), now)
    context = {"journey_page": shown, "now": now}
    return render(request, "console/orders/page.html", context)


@page("orders")
def evidence(request: ConsoleRequest, journey_id: uuid.UUID) -> HttpResponse:
    """The documents of a journey as CSV, or everything shown as JSON."""
    found = get_journey(journey_id, request.principal)
    view = _view(request, journey_id)
    if request.GET.get("form") == "json":
        body = json.dumps(json.loads(dumps(asdict(view))), indent=1, ensure_ascii=False)
        response = HttpResponse(body, content_type="application/json; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="{found.key}.json"'
        return response
    header = ("at", "lane", "generation", "kind", "title", "state", "amount", "currency", "note")
    lines = (
        (i.at, i.lane, i.generation, i.kind, i.title, i.state, i.amount, i.currency, i.note)
        for i in view.items
    )
    return csv_response(f"journey-{found.key}", header, lines)
