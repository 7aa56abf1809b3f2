"""What a person does to one exception: a form in a dialog, one domain call, the case anew."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.collaboration.services import add_comment
from apps.console.access import action, form_action
from apps.console.forms import (
    AssignForm,
    CommentForm,
    GuardedForm,
    ReasonForm,
    ResolveForm,
    SnoozeForm,
)
from apps.console.requests import ConsoleRequest, with_toast
from apps.console.sections.exception_detail import CASE
from apps.console.sections.people import assignable_people
from apps.console.sections.remedies import RemedyForm
from apps.console.views.dialogs import Dialog, carry_out, in_panel, show_dialog
from apps.console.views.exceptions import render_case, visible_case
from apps.core.clock import utc_now
from apps.exceptions.models import ExceptionCase
from apps.exceptions.services import (
    assign_cases,
    close_cases,
    release_cases,
    reopen_cases,
    snooze_cases,
)
from apps.resolutions.selectors import remedies_for
from apps.resolutions.services import apply_remedy

ASSIGN = Dialog("exception-assign", "Who takes this?", "Assign")
SNOOZE = Dialog("exception-snooze", "Hide this until", "Snooze")
RESOLVE = Dialog(
    "exception-resolve", "Resolve by hand", "Resolve",
    "Use this when the cause is gone without a retry. What was stuck stays where it is.",
    can_undo=True,
)  # fmt: skip
DISCARD = Dialog(
    "exception-discard", "Discard what is stuck", "Discard",
    "It will not be processed or sent. The original stays readable.", danger=True,
)  # fmt: skip


@form_action("case.assign")
def assign(request: ConsoleRequest, number: str) -> HttpResponse:
    """Give the case to a person, or back to the queue."""
    case = visible_case(request, number)
    people = assignable_people(case.legal_entity_id)
    if request.method == "GET":
        initial = {"rev": case.rev, "owner": str(request.user.pk)}
        return show_dialog(request, case, AssignForm(initial=initial, people=people), ASSIGN)
    form = AssignForm(request.POST, people=people)

    def do() -> str:
        now, actor = utc_now(), request.principal.actor
        revs = {case.id: form.cleaned_data["rev"]}
        chosen = next((p for p in people if str(p[0]) == form.cleaned_data["owner"]), None)
        if chosen is None:
            release_cases([case.id], actor=actor, now=now, revs=revs)
            return f"{case.reference} is back in the queue."
        assign_cases(
            [case.id], owner_id=chosen[0], owner_label=chosen[1], actor=actor, now=now, revs=revs
        )
        return f"{case.reference} is with {chosen[1]}."

    return carry_out(request, case, form, ASSIGN, do)


@form_action("case.assign")
def snooze(request: ConsoleRequest, number: str) -> HttpResponse:
    """Hide the case from the queues until a moment."""
    case = visible_case(request, number)
    if request.method == "GET":
        return show_dialog(request, case, SnoozeForm(initial={"rev": case.rev}), SNOOZE)
    form = SnoozeForm(request.POST)

    def do() -> str:
        now = utc_now()
        revs = {case.id: form.cleaned_data["rev"]}
        until = form.moment(now)
        snooze_cases([case.id], until=until, actor=request.principal.actor, now=now, revs=revs)
        return f"{case.reference} comes back on {timezone.localtime(until):%-d %b at %H:%M}."

    return carry_out(request, case, form, SNOOZE, do)


@form_action("case.resolve")
def resolve(request: ConsoleRequest, number: str) -> HttpResponse:
    """Close the case by hand, with what it was and why."""
    case = visible_case(request, number)
    if request.method == "GET":
        return show_dialog(request, case, ResolveForm(initial={"rev": case.rev}), RESOLVE)
    form = ResolveForm(request.POST)

    def do() -> str:
        close_cases(
            [case.id],
            resolution=form.cleaned_data["resolution"],
            note=form.cleaned_data["reason"],
            actor=request.principal.actor,
            now=utc_now(),
            revs={case.id: form.cleaned_data["rev"]},
        )
        return f"{case.reference} is resolved."

    return carry_out(request, case, form, RESOLVE, do)


@form_action("case.resolve")
def discard(request: ConsoleRequest, number: str) -> HttpResponse:
    """Give up what is stuck, with a reason."""
    case = visible_case(request, number)
    if request.method == "GET":
        return show_dialog(request, case, ReasonForm(initial={"rev": case.rev}), DISCARD)
    form = ReasonForm(request.POST)
    return carry_out(request, case, form, DISCARD, lambda: _apply(request, case, form, "discard"))


def _apply(
    request: ConsoleRequest,
    case: ExceptionCase,
    form: GuardedForm,
    remedy: str,
    params: Mapping[str, Any] | None = None,
) -> str:
    """Apply a remedy; returns what the toast says."""
    done = apply_remedy(
        case.id,
        remedy,
        params=params or {},
        principal=request.principal,
        reason=form.cleaned_data.get("reason", ""),
        rev=form.cleaned_data["rev"],
        now=utc_now(),
    )
    words = {
        "proposed": f"{case.reference} waits for a second person's approval.",
        "held": f"{case.reference} is settled.",
    }
    return words.get(done.outcome, f"{case.reference} is being tried again.")


@form_action("case.assign")
def remedy(request: ConsoleRequest, number: str, code: str) -> HttpResponse:
    """A remedy's form, and applying it. The service checks the permission of the remedy."""
    case = visible_case(request, number)
    asked = request.POST if request.method == "POST" else request.GET
    remedies = remedies_for(case, request.principal, chosen=asked.get("field", ""))
    found = next((r for r in remedies if r.code == code), None)
    if found is None:
        raise Http404("This remedy does not fit the case any more.")
    url = reverse("exception-remedy", args=[case.reference, code])
    dialog = Dialog("exception-remedy", found.title, found.title, found.note, danger=found.poor)
    again = url if in_panel(request) else f"{url}?full=1"
    if request.method == "GET":
        form = RemedyForm(initial={"rev": case.rev}, remedy=found, url=again)
        return show_dialog(request, case, form, dialog, url=url)
    form = RemedyForm(request.POST, remedy=found, url=again)
    return carry_out(
        request, case, form, dialog, lambda: _apply(request, case, form, code, form.params()), url
    )


@action("case.retry")
def retry(request: ConsoleRequest, number: str) -> HttpResponse:
    """Try again what is stuck, as it is."""
    case = visible_case(request, number)
    form = GuardedForm(request.POST)
    dialog = Dialog("exception-retry", "Retry", "Retry again")
    return carry_out(request, case, form, dialog, lambda: _apply(request, case, form, "retry"))


@action("case.resolve")
def reopen(request: ConsoleRequest, number: str) -> HttpResponse:
    """Open a closed case again: the undo of the toast, and the button of a closed case."""
    case = visible_case(request, number)
    by = request.principal.actor
    opened = reopen_cases([case.id], note=f"Opened again by {by.label}", actor=by, now=utc_now())
    text = (
        f"{number} is open again." if opened else f"{number} stays closed: another case is open."
    )
    if "rev" in request.POST:
        fresh = visible_case(request, number)
        return with_toast(render_case(request, fresh, in_panel=in_panel(request)), text)
    response = HttpResponse(status=204)
    response.headers["HX-Location"] = json.dumps({"path": _list_url(request), "target": "#list"})
    return with_toast(response, text)


def _list_url(request: ConsoleRequest) -> str:
    """The list that the person was looking at."""
    query = urlsplit(request.htmx.current_url or "").query
    return f"{reverse('exceptions')}?{query}"


@action("comment")
def comment(request: ConsoleRequest, number: str) -> HttpResponse:
    """Add a remark to the case."""
    case = visible_case(request, number)
    form = CommentForm(request.POST)
    if form.is_valid():
        add_comment(
            subject_type=CASE,
            subject_id=case.id,
            legal_entity_id=case.legal_entity_id,
            body=form.cleaned_data["body"],
            principal=request.principal,
            now=utc_now(),
        )
    return render_case(request, case, in_panel=in_panel(request))
