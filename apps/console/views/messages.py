"""Messages: received, refused, and the log of calls. Bodies are redacted."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render

from apps.connectors.models import Exchange
from apps.console.access import page
from apps.console.listing import Column, filter_menu, page_of, render_list
from apps.console.requests import ConsoleRequest
from apps.console.sections.messages import (
    INBOUND_STATES,
    OUTCOMES,
    VIEWS,
    connection_names,
    message_detail,
    message_list,
    message_rows,
    message_tabs,
)
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.ingestion.selectors import list_inbound, list_quarantine

COLUMNS = (
    Column("Message"), Column("Connection", "c-wide c-extra"), Column("State", "c-state"),
    Column("What happened", "c-told"), Column("At", "c-date"),
)  # fmt: skip


@page("messages")
def messages(request: ConsoleRequest) -> HttpResponse:
    """One of the three logs, newest first."""
    view = request.GET.get("view", "in")
    view = view if view in dict(VIEWS) else "in"
    names = connection_names(request.principal)
    shown = page_of(message_list(view, request), request)
    menus = [
        filter_menu(request, "connection", "Connection", [(str(k), v) for k, v in names.items()])
    ]
    if view == "in":
        states = [(s, s.capitalize()) for s in INBOUND_STATES]
        menus.insert(0, filter_menu(request, "state", "State", states))
    if view == "calls":
        outcomes = [(o, o.capitalize()) for o in OUTCOMES]
        menus.insert(0, filter_menu(request, "outcome", "Outcome", outcomes))
    context = {
        "heading": "Messages",
        "note": "personal and secret values are withheld",
        "views": message_tabs(view),
        "views_label": "Logs",
        "current_view": view,
        "menus": menus,
        "columns": COLUMNS,
        "page": shown,
        "messages_shown": message_rows(view, shown, names),
        "now": utc_now(),
        "search_hint": "Id, type, path",
        "empty_title": "Nothing here.",
    }
    return render_list(request, "console/messages/list_body.html", context)


@page("messages")
def message(request: ConsoleRequest, view: str, item_id: uuid.UUID) -> HttpResponse:
    """One message or call."""
    item = _rows(view, request.principal, item_id).first()
    if item is None:
        raise Http404("There is no such message.")
    names = connection_names(request.principal)
    context = {
        "detail": message_detail(view, item, names.get(item.connection_id, "")),
        "view": view,
        "now": utc_now(),
    }
    return render(request, "console/messages/page.html", context)


def _rows(view: str, principal: Principal, item_id: uuid.UUID) -> QuerySet[Any]:
    if view == "refused":
        return list_quarantine(principal).filter(pk=item_id)
    if view == "calls":
        return Exchange.objects.visible_to(principal).filter(exchange_id=item_id)
    return list_inbound(principal).filter(pk=item_id)
