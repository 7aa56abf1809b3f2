"""Approvals: what waits for a second person, and the decision."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.selectors import get_approval, list_approvals
from apps.approvals.services import approve, reject
from apps.console.access import page
from apps.console.listing import Column, ViewTab, page_of, render_list
from apps.console.requests import ConsoleRequest
from apps.console.sections.approvals import approval_detail
from apps.core.clock import utc_now
from apps.core.errors import StaleWriteError

COLUMNS = (
    Column("Request"), Column("State", "c-state"), Column("Asked by", "c-wide c-extra"),
    Column("Amount", "c-amount num"), Column("Decided by", "c-wide c-extra"),
    Column("Asked", "c-date"),
)  # fmt: skip
VIEWS = (("requested", "Waiting"), ("decided", "Decided"))


@page("approvals")
def approvals(request: ConsoleRequest) -> HttpResponse:
    """Requests, waiting or decided."""
    view = "decided" if request.GET.get("view") == "decided" else "requested"
    rows = list_approvals(request.principal)
    waiting = rows.filter(state="requested")
    shown = rows.exclude(state="requested") if view == "decided" else waiting
    query = request.GET.get("q", "").strip()
    if query:
        shown = shown.filter(title__icontains=query)
    tabs = [ViewTab(key, label, f"?view={key}", key == view) for key, label in VIEWS]
    context = {
        "heading": "Approvals",
        "watch": "queue.approvals",
        "views": tabs,
        "current_view": view,
        "columns": COLUMNS,
        "page": page_of(shown, request),
        "now": utc_now(),
        "search_hint": "Title",
        "empty_title": "Nothing waits for a second person.",
    }
    return render_list(request, "console/approvals/list_body.html", context)


def _visible(request: ConsoleRequest, number: str) -> Approval:
    try:
        return get_approval(request.principal, int(number.removeprefix("APR-")))
    except (ValueError, Approval.DoesNotExist) as error:
        raise Http404(f"There is no request {number}.") from error


@page("approvals")
def approval(request: ConsoleRequest, number: str) -> HttpResponse:
    """One request, with the buttons if this person may decide it."""
    found = _visible(request, number)
    context = {"detail": approval_detail(found, request.principal), "now": utc_now()}
    return render(request, "console/approvals/page.html", context)


@page("approvals")
def decide(request: ConsoleRequest, number: str, decision: str) -> HttpResponse:
    """Approve or reject; the answer is the request's page with what came of it."""
    found = _visible(request, number)
    if request.method != "POST":
        return redirect("approval", found.code)
    note, now = request.POST.get("note", ""), utc_now()
    try:
        if decision == "approve":
            seen = request.POST.get("seen_hash", "")
            approve(found.id, principal=request.principal, seen_hash=seen, now=now, note=note)
            messages.success(request, f"{found.code} is approved.")
        else:
            reject(found.id, principal=request.principal, note=note, now=now)
            messages.success(request, f"{found.code} is rejected.")
    except (ApprovalError, StaleWriteError) as error:
        detail = approval_detail(_visible(request, number), request.principal)
        status = 409 if isinstance(error, StaleWriteError) else 422
        context = {"detail": detail, "problem": str(error), "note": note, "now": now}
        return render(request, "console/approvals/page.html", context, status=status)
    return redirect("approval", found.code)
