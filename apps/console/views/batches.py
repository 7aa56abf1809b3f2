"""Batches: list, one batch live, pause, resume and cancel."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.console.access import action, page
from apps.console.listing import Column, filter_menu, page_of, render_list
from apps.console.requests import ConsoleRequest, wants
from apps.console.sections.batches import (
    batch_detail,
    batch_items,
    chosen_outcome,
    outcome_tabs,
)
from apps.core.clock import utc_now
from apps.jobs.models import Batch
from apps.resolutions.selectors import list_batches
from apps.resolutions.services import cancel_batch, pause_batch, resume_batch
from apps.users.policies import may

COLUMNS = (
    Column("Batch"), Column("State", "c-state"), Column("Items", "c-short num"),
    Column("Done", "c-short num c-extra"), Column("Failed", "c-short num"),
    Column("Made", "c-date"),
)  # fmt: skip
STATES = ("running", "paused", "halted", "finished", "cancelled")
STEERING = {
    "pause": (pause_batch, "is paused"),
    "resume": (resume_batch, "goes on"),
    "cancel": (cancel_batch, "is cancelled; what is done stays done"),
}


@page("batches")
def batches(request: ConsoleRequest) -> HttpResponse:
    """All batches, newest first."""
    rows = list_batches(request.principal)
    if request.GET.getlist("state"):
        rows = rows.filter(state__in=request.GET.getlist("state"))
    query = request.GET.get("q", "").strip()
    if query:
        rows = rows.filter(title__icontains=query)
    context = {
        "heading": "Batches",
        "watch": "queue.batches",
        "menus": [filter_menu(request, "state", "State", [(s, s.capitalize()) for s in STATES])],
        "columns": COLUMNS,
        "page": page_of(rows, request),
        "now": utc_now(),
        "search_hint": "Title",
        "empty_title": "No batch yet.",
        "empty_note": "Select exceptions and retry them: that makes one.",
    }
    return render_list(request, "console/batches/list_body.html", context)


def _visible(request: ConsoleRequest, number: str) -> Batch:
    digits = number.removeprefix("B-")
    found: Batch | None = None
    if digits.isdecimal() and len(digits) < 18:
        found = list_batches(request.principal).filter(number=int(digits)).first()
    if found is None:
        raise Http404(f"There is no batch {number}.")
    return found


@page("batches")
def batch(request: ConsoleRequest, number: str) -> HttpResponse:
    """One batch: progress, and its items by outcome. Fetched again while it runs."""
    return _render(request, _visible(request, number))


def _render(request: ConsoleRequest, found: Batch) -> HttpResponse:
    outcome = chosen_outcome(request, found)
    shown = page_of(batch_items(found, outcome), request)
    for item in shown:
        item.url = _item_url(item.label)
    detail = batch_detail(found)
    context = {
        "detail": detail,
        "views": outcome_tabs(found, outcome),
        "page": shown,
        "cell_note": f"{detail.per_cell} a cell" if detail.per_cell > 1 else "one a cell",
        "may_steer": may(request.principal, "case.retry"),
        "now": utc_now(),
    }
    part = "console/batches/progress.html"
    template = part if wants(request, "list") else "console/batches/page.html"
    return render(request, template, context)


def _item_url(label: str) -> str:
    if label.startswith("EXC-"):
        return reverse("exception", args=[label.split()[0]])
    if label.startswith("DL-"):
        return reverse("dead-letter", args=[label.split()[0]])
    return ""


@action("case.retry")
def steer(request: ConsoleRequest, number: str, how: str) -> HttpResponse:
    """Pause, resume or cancel a batch."""
    found = _visible(request, number)
    if how not in STEERING:
        raise Http404("There is no such action.")
    change, words = STEERING[how]
    if change(found.id, principal=request.principal, now=utc_now()):
        messages.success(request, f"{found.code} {words}.")
    else:
        messages.info(request, f"{found.code} is {found.state}; nothing was changed.")
    return redirect("batch", found.code)
