"""Connections: their state, their calls, and steering them with a reason."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.connectors.lanes.maintenance import add_window, drop_window
from apps.connectors.models import Connection, MaintenanceWindow
from apps.connectors.selectors import get_connection
from apps.connectors.services import drain_connection, pause_connection, resume_connection
from apps.console.access import action, page
from apps.console.forms import ReasonForm, WindowForm
from apps.console.requests import ConsoleRequest
from apps.console.sections.connectors import connection_detail, list_connections
from apps.core.clock import utc_now
from apps.core.errors import ConfigurationError
from apps.users.policies import may

STEERING = {
    "pause": (pause_connection, "is paused"),
    "drain": (drain_connection, "finishes what runs, then stops"),
    "resume": (resume_connection, "is resumed"),
}


@page("connectors")
def connectors(request: ConsoleRequest, code: str = "") -> HttpResponse:
    """All connections, worst first; beside them the chosen one, or the worst."""
    return _render(request, code)


def _render(
    request: ConsoleRequest, code: str, *, problem: str = "", status: int = 200
) -> HttpResponse:
    now = utc_now()
    rows = list_connections(request.principal, now)
    if not code and rows:
        code = rows[0].connection.code
    context = {
        "rows": rows,
        "troubled": sum(row.condition not in ("healthy", "idle") for row in rows),
        "selected": code,
        "detail": connection_detail(_visible(request, code), request.principal, now)
        if code
        else None,
        "may_steer": may(request.principal, "connection.steer"),
        "problem": problem,
        "reason": request.POST.get("reason", ""),
        "now": now,
    }
    return render(request, "console/connectors/list.html", context, status=status)


def _visible(request: ConsoleRequest, code: str) -> Connection:
    try:
        return get_connection(request.principal, code)
    except Connection.DoesNotExist as error:
        raise Http404(f"There is no connection {code}.") from error


@action("connection.steer")
def steer(request: ConsoleRequest, code: str, how: str) -> HttpResponse:
    """Pause, drain or resume, with a reason; refused when somebody changed it meanwhile."""
    connection = _visible(request, code)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _render(request, code, problem=str(form.errors["reason"][0]), status=422)
    if form.cleaned_data["rev"] != connection.rev:
        problem = f"{connection.name} changed since you opened it. Look again, then decide."
        return _render(request, code, problem=problem, status=409)
    if how not in STEERING:
        raise Http404("There is no such action.")
    change, words = STEERING[how]
    moved = change(
        connection.id,
        reason=form.cleaned_data["reason"],
        actor=request.principal.actor,
        now=utc_now(),
    )
    told = f"{connection.name} {words}." if moved else f"{connection.name} was already so."
    messages.success(request, told)
    return redirect("connector", code)


@action("connection.steer")
def add_maintenance(request: ConsoleRequest, code: str) -> HttpResponse:
    """Add a maintenance window: on a date, or daily."""
    connection = _visible(request, code)
    form = WindowForm(request.POST)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        return _render(request, code, problem=f"{field}: {errors[0]}", status=422)
    daily = [] if form.cleaned_data["on_date"] else list(range(7))
    window = MaintenanceWindow(connection=connection, weekdays=daily, **form.cleaned_data)
    try:
        add_window(window, actor=request.principal.actor, now=utc_now())
    except ConfigurationError as error:
        return _render(request, code, problem=error.facts.message, status=422)
    messages.success(request, f"{connection.name} is left alone {window.shown}.")
    return redirect("connector", code)


@action("connection.steer")
def drop_maintenance(request: ConsoleRequest, code: str, window_id: uuid.UUID) -> HttpResponse:
    """Take a maintenance window away; what it held goes on."""
    connection = _visible(request, code)
    gone = drop_window(connection, window_id, actor=request.principal.actor, now=utc_now())
    messages.success(request, "The window is removed." if gone else "It was removed already.")
    return redirect("connector", code)
