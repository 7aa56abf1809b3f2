"""Dead letters: list with facets, one letter, redrive and discard."""

from collections.abc import Sequence

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.console.access import action, form_action, page
from apps.console.forms import ReasonForm
from apps.console.listing import csv_response, page_of, render_list
from apps.console.requests import ConsoleRequest, go_to, with_toast
from apps.console.sections.dead_letters import (
    facet_groups,
    letter_detail,
    letter_rows,
    letters_of,
)
from apps.core.clock import utc_now
from apps.core.errors import StaleWriteError
from apps.core.ids import uuid7
from apps.exceptions.models import DeadLetter
from apps.exceptions.selectors import get_dead_letter
from apps.exceptions.services import discard_dead_letters
from apps.jobs.models import Batch
from apps.resolutions.errors import RemedyError
from apps.resolutions.services import apply_remedy, start_batch
from apps.resolutions.types import DISCARD
from apps.users.policies import may

BULK_ACTIONS = ({"value": "redrive", "label": "Redrive", "icon": "rotate-cw", "key": "r"},)
EXPORT_HEADER = (
    "number", "state", "connection", "message_type", "error_code", "error", "attempts",
    "ordering_key", "amount", "currency", "parked_at",
)  # fmt: skip


@page("dead-letters")
def dead_letters(request: ConsoleRequest) -> HttpResponse:
    """Letters of the chosen facets, with the one of ``sel`` beside them."""
    shown = page_of(letters_of(request), request)
    selected = request.GET.get("sel", "")
    context = {
        "groups": facet_groups(request),
        "page": shown,
        "letters": letter_rows(shown, selected),
        "bulk_actions": BULK_ACTIONS,
        "batch_key": str(uuid7()),
        "may_redrive": may(request.principal, "dead_letter.redrive"),
        "now": utc_now(),
    }
    if selected and not request.htmx:
        context["detail"] = letter_detail(_visible(request, selected), request.principal)
    return render_list(
        request, "console/dead_letters/list_body.html", context, "console/dead_letters/list.html"
    )


def _visible(request: ConsoleRequest, number: str) -> DeadLetter:
    try:
        return get_dead_letter(request.principal, int(number.removeprefix("DL-")))
    except (ValueError, DeadLetter.DoesNotExist) as error:
        raise Http404(f"There is no dead letter {number}.") from error


def _render(request: ConsoleRequest, letter: DeadLetter, template: str) -> HttpResponse:
    context = {
        "detail": letter_detail(letter, request.principal),
        "may_redrive": may(request.principal, "dead_letter.redrive"),
        "now": utc_now(),
    }
    return render(request, f"console/dead_letters/{template}.html", context)


@page("dead-letters")
def dead_letter(request: ConsoleRequest, number: str) -> HttpResponse:
    """One letter as a page."""
    return _render(request, _visible(request, number), "page")


@page("dead-letters")
def panel(request: ConsoleRequest, number: str) -> HttpResponse:
    """One letter beside the list."""
    return _render(request, _visible(request, number), "panel")


@action("dead_letter.redrive")
def redrive(request: ConsoleRequest, number: str) -> HttpResponse:
    """Give one message another run of tries, as a batch of one."""
    letter = _visible(request, number)
    try:
        made = _start(request, [letter])
    except (RemedyError, StaleWriteError) as error:
        return with_toast(_render(request, letter, "panel"), str(error))
    fresh = _visible(request, number)
    return with_toast(_render(request, fresh, "panel"), f"{letter.code} is redriven, {made.code}.")


def _start(request: ConsoleRequest, letters: Sequence[DeadLetter]) -> Batch:
    return start_batch(
        [letter.id for letter in letters],
        kind="redrive",
        principal=request.principal,
        idempotency_key=request.POST.get("key") or str(uuid7()),
        expected_count=len(letters),
        now=utc_now(),
    )


def _give_up(request: ConsoleRequest, letter: DeadLetter, reason: str) -> None:
    """Discard the letter with its open case, or alone."""
    if letter.case is not None and letter.case.is_open:
        apply_remedy(
            letter.case.id, DISCARD, params={}, principal=request.principal, reason=reason,
            now=utc_now(),
        )  # fmt: skip
        return
    discard_dead_letters([letter.id], reason=reason, actor=request.principal.actor, now=utc_now())


@form_action("dead_letter.redrive")
def discard(request: ConsoleRequest, number: str) -> HttpResponse:
    """Give one message up, with a reason."""
    letter = _visible(request, number)
    form = ReasonForm(request.POST if request.method == "POST" else None, initial={"rev": 0})
    if request.method == "POST" and form.is_valid():
        _give_up(request, letter, form.cleaned_data["reason"])
        fresh = _visible(request, number)
        return with_toast(_render(request, fresh, "panel"), f"{letter.code} is discarded.")
    context = {
        "form": form,
        "title": f"Discard {letter.code}",
        "intro": "The message will not be processed or sent. It stays readable.",
        "submit": "Discard",
        "danger": True,
        "post_url": reverse("dead-letter-discard", args=[letter.code]),
        "target": "#panel",
    }
    status = 422 if request.method == "POST" else 200
    response = render(request, "console/exceptions/dialog_form.html", context, status=status)
    if status == 422:
        response.headers["HX-Retarget"] = "#case-dialog"
    return response


@action("dead_letter.redrive")
def batch(request: ConsoleRequest) -> HttpResponse:
    """Redrive the selected letters as a batch."""
    letters = [_visible(request, number) for number in request.POST.getlist("ids")]
    try:
        made = _start(request, letters)
    except (RemedyError, StaleWriteError) as error:
        return with_toast(HttpResponse(status=204), str(error))
    return go_to(reverse("batch", args=[made.code]))


@page("dead-letters")
def export(request: ConsoleRequest) -> HttpResponse:
    """The rows of the chosen facets as CSV."""
    lines = (
        (
            d.code, d.state, d.connection_code, d.message_type, d.error_code, d.error_message,
            d.attempts, d.ordering_key, d.amount, d.currency, d.parked_at,
        )
        for d in letters_of(request).iterator(chunk_size=500)
    )  # fmt: skip
    return csv_response(f"dead-letters-{utc_now():%Y-%m-%d}", EXPORT_HEADER, lines)
