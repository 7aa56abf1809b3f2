"""Workflow runs: list and one run."""

import uuid

from django.http import Http404, HttpResponse
from django.shortcuts import render

from apps.console.access import page
from apps.console.listing import Column, filter_menu, page_of, render_list
from apps.console.requests import ConsoleRequest, wants
from apps.console.sections.workflows import (
    STATES,
    RunFilter,
    every_definition,
    run_detail,
    run_rows,
)
from apps.core.clock import utc_now
from apps.users.policies import may
from apps.workflows.models import WorkflowRun
from apps.workflows.selectors import list_runs

COLUMNS = (
    Column("Run"), Column("State", "c-state"), Column("Stands at", "c-wide c-extra"),
    Column("Steps", "c-short num c-extra"), Column("Amount", "c-amount num"),
    Column("Started", "c-date"),
)  # fmt: skip


@page("workflows")
def workflows(request: ConsoleRequest) -> HttpResponse:
    """All runs, newest first."""
    rows = RunFilter(
        request.GET, queryset=list_runs(request.principal).select_related("legal_entity")
    ).qs
    shown = page_of(rows, request)
    context = {
        "heading": "Workflows",
        "watch": "queue.runs",
        "menus": [
            filter_menu(request, "state", "State", [(s, s.capitalize()) for s in STATES]),
            filter_menu(request, "definition", "Workflow", every_definition()),
        ],
        "columns": COLUMNS,
        "page": shown,
        "runs": run_rows(list(shown)),
        "now": utc_now(),
        "search_hint": "Order, invoice, contract",
        "empty_title": "No run matches.",
        "empty_note": "A run starts when an order, an amendment or an invoice arrives.",
    }
    return render_list(request, "console/workflows/list_body.html", context)


@page("workflows")
def workflow(request: ConsoleRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run: lanes, steps, writes, events."""
    part = "run" if wants(request, "run") else "page"
    return render_run(request, visible_run(request, run_id), f"console/workflows/{part}.html")


def visible_run(request: ConsoleRequest, run_id: uuid.UUID) -> WorkflowRun:
    """A run that this person may see, or 404."""
    runs = list_runs(request.principal).select_related("legal_entity")
    run: WorkflowRun | None = runs.filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    return run


def render_run(request: ConsoleRequest, run: WorkflowRun, template: str) -> HttpResponse:
    """One run as its page, or as the part of it that changes."""
    now = utc_now()
    context = {
        "detail": run_detail(run, request.principal, now),
        "may_steer": may(request.principal, "run.steer"),
        "now": now,
    }
    return render(request, template, context)
