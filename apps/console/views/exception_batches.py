"""Bulk actions on exceptions: a preview in words first, then a durable batch with its own page."""

import json
from dataclasses import dataclass

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from apps.console.access import action
from apps.console.requests import ConsoleRequest, go_to, with_toast
from apps.console.sections.case_rows import case_rows
from apps.console.sections.exception_list import case_filter, chosen_order
from apps.core.clock import utc_now
from apps.core.errors import StaleWriteError
from apps.core.ids import uuid7
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import cases_by_number, list_cases
from apps.exceptions.services import assign_cases
from apps.resolutions.errors import RemedyError
from apps.resolutions.services import start_batch

PREVIEW_LINES = 5
LARGEST = 5000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of a bulk action; ``everything`` when all that match the list were chosen."""

    cases: list[ExceptionCase]
    everything: bool


@action("case.retry")
def exceptions_batch(request: ConsoleRequest) -> HttpResponse:
    """Preview, and with ``confirm`` the start, of a bulk action."""
    chosen = _chosen(request)
    if request.POST.get("action") == "assign":
        return _assign(request, chosen)
    if "confirm" not in request.POST:
        return _preview(request, chosen)
    try:
        batch = start_batch(
            [case.id for case in chosen.cases],
            kind="retry",
            principal=request.principal,
            idempotency_key=request.POST.get("key") or str(uuid7()),
            expected_count=int(request.POST.get("expected", "0")),
            now=utc_now(),
        )
    except (RemedyError, StaleWriteError, ValueError) as error:
        return _preview(request, chosen, problem=str(error))
    return go_to(reverse("batch", args=[batch.code]))


def _chosen(request: ConsoleRequest) -> Chosen:
    if request.POST.get("all_matching"):
        scope = QueryDict(request.POST.get("scope", ""))
        rows = list_cases(
            request.principal,
            case_filter(scope, request.user),
            now=utc_now(),
            order=chosen_order(scope),
        )
        return Chosen(list(rows[:LARGEST]), everything=True)
    numbers = [n.removeprefix("EXC-") for n in request.POST.getlist("ids")]
    known = [int(n) for n in numbers if n.isdecimal() and len(n) < 18]
    return Chosen(cases_by_number(request.principal, known), everything=False)


def _preview(request: ConsoleRequest, chosen: Chosen, problem: str = "") -> HttpResponse:
    """What the batch would do, in five lines."""
    context = {
        "cases": case_rows(chosen.cases[:PREVIEW_LINES], beside=False),
        "ids": [] if chosen.everything else [case.reference for case in chosen.cases],
        "count": len(chosen.cases),
        "more": max(0, len(chosen.cases) - PREVIEW_LINES),
        "everything": chosen.everything,
        "scope": request.POST.get("scope", ""),
        "key": request.POST.get("key") or str(uuid7()),
        "problem": problem,
        "now": utc_now(),
    }
    status = 422 if problem else 200
    return render(request, "console/exceptions/batch_dialog.html", context, status=status)


def _assign(request: ConsoleRequest, chosen: Chosen) -> HttpResponse:
    """Take the chosen cases in hand, then show the list again."""
    taken = assign_cases(
        [case.id for case in chosen.cases],
        owner_id=request.user.pk,
        owner_label=request.principal.actor.label,
        actor=request.principal.actor,
        now=utc_now(),
    )
    where = f"{reverse('exceptions')}?{request.POST.get('scope', '')}"
    response = HttpResponse(status=204)
    response.headers["HX-Location"] = json.dumps({"path": where, "target": "#list"})
    return with_toast(response, f"{len(taken)} with you now.")
