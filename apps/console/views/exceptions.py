"""Exceptions: the queue, one case beside it or as a page, and its live row."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.console.access import page
from apps.console.listing import csv_response, page_of, render_list
from apps.console.requests import ConsoleRequest
from apps.console.sections.case_rows import case_row, case_rows
from apps.console.sections.close import next_close
from apps.console.sections.exception_detail import CaseDetail, case_detail, payload_of
from apps.console.sections.exception_list import (
    SORTS,
    case_filter,
    chosen_order,
    filter_menus,
    opened_by_hour,
    view_tabs,
)
from apps.console.sections.remedies import offers_of
from apps.console.sections.subjects import subject_of
from apps.console.visits import previous_visit
from apps.core.clock import utc_now
from apps.core.ids import uuid7
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import get_case, list_cases, strip_totals
from apps.users.policies import may

BULK_ACTIONS = (
    {"value": "retry", "label": "Retry", "icon": "rotate-cw", "key": "r"},
    {"value": "assign", "label": "Assign to me", "icon": "user-plus", "key": "a"},
)
BUTTONS = (
    {"url_name": "exception-assign", "label": "Assign", "key": "a", "icon": "user-plus"},
    {"url_name": "exception-snooze", "label": "Snooze", "key": "h", "icon": "alarm-clock"},
    {"url_name": "exception-discard", "label": "Discard", "key": "d", "icon": "trash-2"},
)
EXPORT_HEADER = (
    "number", "state", "severity", "code", "title", "document", "customer", "entity", "amount",
    "currency", "opened_at", "sla_due_at", "owner", "flow",
)  # fmt: skip


def visible_case(request: ConsoleRequest, number: str) -> ExceptionCase:
    """The case of a human number such as EXC-10482; 404 when it is not the person's to see."""
    digits = number.removeprefix("EXC-")
    try:
        return get_case(request.principal, int(digits))
    except (ValueError, ExceptionCase.DoesNotExist) as error:
        raise Http404(f"There is no exception {number}.") from error


@page("exceptions")
def exceptions(request: ConsoleRequest) -> HttpResponse:
    """The queue, with the case of ``sel`` beside it."""
    now = utc_now()
    chosen = case_filter(request.GET, request.user)
    order = chosen_order(request.GET)
    rows = list_cases(request.principal, chosen, now=now, order=order)
    strip = strip_totals(request.principal, chosen, now=now)
    shown = page_of(rows, request, total=strip.cases)
    selected = request.GET.get("sel", "")
    rights = _rights(request)
    base = reverse("exceptions")
    context: dict[str, Any] = {
        "views": view_tabs(request, base, now),
        "current_view": chosen.view,
        "menus": filter_menus(request),
        "sorts": SORTS,
        "current_sort": order,
        "strip": strip,
        "opened": opened_by_hour(rows, now),
        "page": shown,
        "cases": case_rows(shown, since=previous_visit(request), selected=selected),
        "bulk_actions": BULK_ACTIONS,
        "batch_key": str(uuid7()),
        **rights,
        "hints": (("r", "retry"), ("e", "resolve")) if rights["may_resolve"] else (),
        "close": next_close(request.principal, chosen.entity_ids, now),
        "now": now,
        **_empty(request, chosen.view, base),
    }
    if selected and not request.htmx:
        context["case"] = _beside(request, selected)
    return render_list(
        request, "console/exceptions/list_body.html", context, "console/exceptions/list.html"
    )


def _beside(request: ConsoleRequest, number: str) -> CaseDetail | None:
    try:
        return detail_of(request, visible_case(request, number), in_panel=True)
    except Http404:
        return None


def _empty(request: ConsoleRequest, view: str, base: str) -> dict[str, str]:
    """What an empty list says, by why it is empty."""
    narrowed = set(request.GET) - {"view", "page", "sel", "sort"}
    if any(request.GET.get(name) for name in narrowed):
        return {
            "empty_title": "No exception matches these filters.",
            "empty_url": f"{base}?view={view}",
            "empty_link": "Clear the filters",
        }
    return {"empty_title": "Nothing here needs you."}


def _rights(request: ConsoleRequest) -> dict[str, Any]:
    """What this person may do to cases, and the buttons for it."""
    resolve = may(request.principal, "case.resolve")
    return {
        "may_resolve": resolve,
        "may_assign": may(request.principal, "case.assign"),
        "buttons": BUTTONS if resolve else BUTTONS[:2],
    }


def detail_of(request: ConsoleRequest, case: ExceptionCase, *, in_panel: bool) -> CaseDetail:
    """The case with what this person may do about it."""
    offers = offers_of(case, request.principal)
    return case_detail(case, request.principal, offers=offers, now=utc_now(), in_panel=in_panel)


def render_case(
    request: ConsoleRequest, case: ExceptionCase, *, in_panel: bool, answer: bool = False
) -> HttpResponse:
    """The case's panel (or the main part of its page) alone, as an answer to htmx.

    ``answer`` adds its row out of band: an action changed the case.
    """
    context = {
        "case": detail_of(request, case, in_panel=in_panel),
        "in_panel": in_panel,
        **_rights(request),
    }
    template = "panel_answer" if answer else "panel"
    return render(request, f"console/exceptions/{template}.html", context)


@page("exceptions")
def exception(request: ConsoleRequest, number: str) -> HttpResponse:
    """One case as a page; its main part alone for htmx."""
    case = visible_case(request, number)
    if request.htmx and request.htmx.target == "case":
        return render_case(request, case, in_panel=False)
    context = {"case": detail_of(request, case, in_panel=False), **_rights(request)}
    return render(request, "console/exceptions/page.html", context)


@page("exceptions")
def panel(request: ConsoleRequest, number: str) -> HttpResponse:
    """One case beside the list."""
    return render_case(request, visible_case(request, number), in_panel=True)


@page("exceptions")
def row(request: ConsoleRequest, number: str) -> HttpResponse:
    """One row of the queue, fetched again when the case changed."""
    case = case_row(visible_case(request, number), since=previous_visit(request))
    selectable = _rights(request)["may_resolve"]
    context = {"case": case, "wide": True, "selectable": selectable, "now": utc_now()}
    return render(request, "console/components/case_row.html", context)


@page("exceptions")
def payload(request: ConsoleRequest, number: str) -> HttpResponse:
    """The payload in another mode: changed, all, raw."""
    case = visible_case(request, number)
    shown = payload_of(case, subject_of(case), request.GET.get("mode", ""))
    return render(request, "console/exceptions/payload.html", {"payload": shown})


@page("exceptions")
def export(request: ConsoleRequest) -> HttpResponse:
    """The rows of the present view and filters as CSV."""
    now = utc_now()
    chosen = case_filter(request.GET, request.user)
    rows = list_cases(request.principal, chosen, now=now, order=chosen_order(request.GET))
    lines = (
        (
            c.reference, c.state, c.severity, c.code, c.title, c.document, c.customer,
            c.legal_entity.code if c.legal_entity else "", c.amount_at_risk, c.currency,
            c.opened_at, c.sla_due_at, c.owner_label, c.flow,
        )
        for c in rows.iterator(chunk_size=500)
    )  # fmt: skip
    return csv_response(f"exceptions-{now:%Y-%m-%d}", EXPORT_HEADER, lines)
