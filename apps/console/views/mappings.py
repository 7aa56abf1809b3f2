"""Mappings: list, and the editor of one: rows in place, test, propose, roll back."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.approvals.errors import ApprovalError
from apps.console.access import action, page
from apps.console.listing import Column, filter_menu, page_of, render_list
from apps.console.requests import ConsoleRequest, wants
from apps.console.sections.mappings import doubt_about, mapping_page
from apps.core.clock import utc_now
from apps.core.errors import StaleWriteError
from apps.mappings.errors import MappingError
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.selectors import get_mapping, get_version, list_mappings
from apps.mappings.services import (
    discard_draft,
    propose_version,
    remove_row,
    roll_back,
    set_row,
    start_draft,
    withdraw_version,
)
from apps.mappings.types import RowDraft
from apps.rehearsals.selectors import latest_rehearsal
from apps.rehearsals.services import rehearse_version

COLUMNS = (
    Column("Mapping"), Column("Kind", "c-state"), Column("Live", "c-short"),
    Column("Rows", "c-short num"), Column("In work", "c-wide c-extra"), Column("Since", "c-date"),
)  # fmt: skip


@page("mappings")
def mappings(request: ConsoleRequest) -> HttpResponse:
    """All mappings: value maps first, what is in work marked."""
    rows = list_mappings(request.principal)
    if request.GET.getlist("kind"):
        rows = rows.filter(kind__in=request.GET.getlist("kind"))
    text = request.GET.get("q", "").strip()
    if text:
        rows = rows.filter(code__icontains=text) | rows.filter(name__icontains=text)
    context = {
        "heading": "Mappings",
        "menus": [filter_menu(request, "kind", "Kind", Mapping.Kind.choices)],
        "columns": COLUMNS,
        "page": page_of(rows, request),
        "now": utc_now(),
        "search_hint": "Name or code",
        "empty_title": "No mapping matches.",
    }
    return render_list(request, "console/mappings/list_body.html", context)


def _visible(request: ConsoleRequest, code: str) -> Mapping:
    try:
        return get_mapping(request.principal, code)
    except Mapping.DoesNotExist as error:
        raise Http404(f"There is no mapping {code}.") from error


@page("mappings")
def mapping(request: ConsoleRequest, code: str) -> HttpResponse:
    """The editor of one mapping."""
    return _render(request, code)


def _render(
    request: ConsoleRequest, code: str, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "editor": mapping_page(_visible(request, code), request),
        "problem": problem,
        "now": utc_now(),
    }
    parts = wants(request, "list") or wants(request, "editor")
    template = "console/mappings/editor.html" if parts else "console/mappings/page.html"
    return render(request, template, context, status=status)


def _draft(request: ConsoleRequest, code: str) -> MappingVersion:
    """The draft in work, started when there is none."""
    _visible(request, code)
    return start_draft(code, actor=request.principal.actor, now=utc_now())


def _carry_out(request: ConsoleRequest, code: str, change: Callable[[], object]) -> HttpResponse:
    """Do it and show the editor again; a refusal stands over it."""
    try:
        change()
    except StaleWriteError as error:
        return _render(request, code, problem=str(error), status=409)
    except (MappingError, ApprovalError) as error:
        return _render(request, code, problem=str(error), status=422)
    if request.htmx:
        return _render(request, code)
    return redirect("mapping", code)


@action("mapping.propose")
def draft(request: ConsoleRequest, code: str) -> HttpResponse:
    """Start a draft from the live version."""
    return _carry_out(request, code, lambda: _draft(request, code))


@action("mapping.propose")
def discard(request: ConsoleRequest, code: str) -> HttpResponse:
    """Throw the draft away."""

    def change() -> None:
        versions = _visible(request, code).versions.all()
        standing = next((v for v in versions if v.state == "draft"), None)
        if standing is None:
            raise MappingError("There is no draft to discard.")
        discard_draft(standing.id, principal=request.principal, now=utc_now())

    return _carry_out(request, code, change)


@action("mapping.propose")
def row(request: ConsoleRequest, code: str) -> HttpResponse:
    """Set a row of the draft, or take it out when its target is emptied."""
    source, scope = request.POST.get("source", ""), request.POST.get("scope", "")
    target = request.POST.get("target", "").strip()
    rev = request.POST.get("rev", "")

    def change() -> None:
        version = _draft(request, code)
        seen = int(rev) if rev.isdecimal() else None
        actor = request.principal.actor
        if target:
            note = request.POST.get("note", "")
            set_row(version.id, RowDraft(source, target, scope, note), actor=actor, rev=seen)
        else:
            remove_row(version.id, source, scope, actor=actor, rev=seen)

    return _carry_out(request, code, change)


@action("mapping.propose")
def test(request: ConsoleRequest, code: str) -> HttpResponse:
    """Run the draft over recorded inputs; nothing is sent."""
    actor = request.principal.actor
    return _carry_out(
        request,
        code,
        lambda: rehearse_version(_draft(request, code).id, actor=actor, now=utc_now()),
    )


@action("mapping.propose")
def propose(request: ConsoleRequest, code: str) -> HttpResponse:
    """Ask a second person for approval."""

    def change() -> None:
        now, principal = utc_now(), request.principal
        version = get_version(principal, _draft(request, code).id)
        doubt = doubt_about(version)
        if doubt and not request.POST.get("acknowledged"):
            raise MappingError(f"{doubt} Look it up there and say so, then submit again.")
        latest = latest_rehearsal(version, principal)
        if latest is None or not latest.is_current:
            rehearse_version(version.id, actor=principal.actor, now=now)
        note = request.POST.get("note", "")
        approval = propose_version(version.id, principal=principal, now=now, note=note)
        messages.success(request, f"{approval.code} waits for a second person.")

    return _carry_out(request, code, change)


@action("mapping.propose")
def withdraw(request: ConsoleRequest, code: str) -> HttpResponse:
    """Take a proposal back to draft."""

    def change() -> None:
        versions = _visible(request, code).versions.all()
        proposed = next((v for v in versions if v.state == "proposed"), None)
        if proposed is None:
            raise MappingError("No version waits for approval.")
        withdraw_version(proposed.id, actor=request.principal.actor, now=utc_now())

    return _carry_out(request, code, change)


@action("mapping.propose")
def back(request: ConsoleRequest, code: str) -> HttpResponse:
    """Propose an earlier version again."""
    number = request.POST.get("number", "0")

    def change() -> None:
        _visible(request, code)
        approval = roll_back(
            code,
            to_number=int(number) if number.isdecimal() else 0,
            principal=request.principal,
            reason=request.POST.get("reason", ""),
            now=utc_now(),
        )
        rehearse_version(approval.subject_id, actor=request.principal.actor, now=utc_now())
        messages.success(request, f"{approval.code} waits for a second person.")

    return _carry_out(request, code, change)
