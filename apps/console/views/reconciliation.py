"""Reconciliation: the workspace, running again, one break's documents, and decisions on breaks."""

from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.approvals.errors import ApprovalError
from apps.console.access import action, form_action, page
from apps.console.forms import ReasonForm
from apps.console.listing import Column, csv_response, page_of, render_list
from apps.console.presentation.amounts import split_amount
from apps.console.requests import ConsoleRequest, with_toast
from apps.console.sections.break_documents import break_detail
from apps.console.sections.reconciliation import (
    SIDE_NAMES,
    SUBJECT_TITLES,
    Scope,
    amounts_of,
    break_rows,
    bucket_tabs,
    buckets_of,
    match_rows,
    scope_of,
    worth_looking,
)
from apps.console.sections.reconciliation_totals import (
    headline_of,
    scope_links,
    total_rows,
    visible_totals,
)
from apps.core.clock import utc_now
from apps.core.scoping import ScopedQuerySet
from apps.organisation.selectors import list_entities
from apps.reconciliation.errors import WriteOffError
from apps.reconciliation.models import Break
from apps.reconciliation.selectors import (
    MATCHED,
    latest_run,
    list_breaks,
    list_matches,
    must_be_approved,
    why_not_write_off,
)
from apps.reconciliation.services import assign_breaks, request_run
from apps.reconciliation.services import write_off as accept_difference
from apps.reconciliation.types import SUBJECT_SIDES, SUBJECTS
from apps.users.policies import may

EXPORT_HEADER = (
    "number", "key", "customer", "entity", "type", "state", "cpq", "billing", "erp", "variance",
    "currency", "explanation", "opened_at",
)  # fmt: skip
MATCH_HEADER = ("key", "entity", "amount", "currency", "rule")


@page("reconciliation")
def reconciliation(request: ConsoleRequest) -> HttpResponse:
    """Totals, buckets and rows of one subject, of one entity and currency or of all."""
    entities = list_entities(request.principal)
    selected = request.GET.get("sel", "")
    scope = scope_of(request, entities)
    buckets = buckets_of(scope, request.principal)
    if selected and "bucket" not in request.GET:
        scope = scope.around(_visible(request, selected))
    elif "bucket" not in request.GET:
        scope = replace(scope, bucket=worth_looking(buckets))
    run = latest_run(scope.subject, request.principal)
    totals = visible_totals(run, scope, request.principal, entities)
    rows = _rows(request, scope)
    shown = page_of(rows, request)
    matched = scope.bucket == MATCHED
    items = (
        match_rows(shown, scope)
        if matched
        else break_rows(shown, scope, request.principal, selected)
    )
    context = {
        "scope": scope,
        "subjects": [
            (scope.url(subject=key), title, key == scope.subject)
            for key, title in SUBJECT_TITLES.items()
        ],
        "scopes": scope_links(run, scope, request.principal, entities),
        "run": run,
        "headline": headline_of(totals, scope, utc_now().date()),
        "totals": total_rows(totals, scope) if len(totals) > 1 else [],
        "views": bucket_tabs(buckets, scope),
        "columns": _columns(scope),
        "page": shown,
        "items": items,
        "may_decide": may(request.principal, "reconciliation.decide"),
        "now": utc_now(),
    }
    if selected and not request.htmx:
        context["detail"] = break_detail(_visible(request, selected), request.principal)
    return render_list(
        request, "console/reconciliation/rows.html", context, "console/reconciliation/page.html"
    )


def _rows(request: ConsoleRequest, scope: Scope) -> ScopedQuerySet:
    entity_id = scope.entity.id if scope.entity else None
    if scope.bucket == MATCHED:
        return list_matches(
            request.principal, scope.subject, entity_id=entity_id, currency=scope.currency
        )
    return list_breaks(
        request.principal,
        scope.subject,
        bucket=scope.bucket,
        entity_id=entity_id,
        currency=scope.currency,
    )


def _columns(scope: Scope) -> list[Column]:
    sides = [Column(SIDE_NAMES[s], "c-side num") for s in SUBJECT_SIDES[scope.subject]]
    return [
        Column("Match key"), *sides, Column("Variance", "c-variance num"),
        Column("Best explanation", "c-explanation"), Column("", "c-owner"),
    ]  # fmt: skip


def _visible(request: ConsoleRequest, number: str) -> Break:
    digits = number.removeprefix("BRK-")
    found: Break | None = None
    if digits.isdecimal() and len(digits) < 18:
        rows = Break.objects.visible_to(request.principal).select_related("legal_entity")
        found = rows.filter(number=int(digits)).first()
    if found is None:
        raise Http404(f"There is no break {number}.")
    return found


def _drawer(request: ConsoleRequest, found: Break) -> HttpResponse:
    context = {
        "detail": break_detail(found, request.principal),
        "may_decide": may(request.principal, "reconciliation.decide"),
        "now": utc_now(),
    }
    return render(request, "console/reconciliation/drawer.html", context)


@page("reconciliation")
def drawer(request: ConsoleRequest, number: str) -> HttpResponse:
    """The documents of one break."""
    return _drawer(request, _visible(request, number))


@action("reconciliation.decide")
def run_again(request: ConsoleRequest) -> HttpResponse:
    """Compare the sides again; the result appears when the run has finished."""
    subject = request.POST.get("subject", SUBJECTS[0])
    try:
        request_run(subject, requested_by=request.principal.actor, now=utc_now())
        messages.success(request, "The comparison runs; this page follows when it is done.")
    except ValueError as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('reconciliation')}?subject={subject}")


@action("reconciliation.decide")
def take(request: ConsoleRequest, number: str) -> HttpResponse:
    """Take a break in hand."""
    found = _visible(request, number)
    actor = request.principal.actor
    assign_breaks(
        [found.id],
        owner_id=request.user.pk,
        owner_label=actor.label,
        actor=actor,
        now=utc_now(),
    )
    return with_toast(_drawer(request, _visible(request, number)), f"{number} is with you.")


@form_action("reconciliation.decide")
def write_off(request: ConsoleRequest, number: str) -> HttpResponse:
    """Accept a difference for good, with the reason; above a limit another person must agree."""
    found = _visible(request, number)
    form = ReasonForm(request.POST if request.method == "POST" else None, initial={"rev": 0})
    problem, asks = why_not_write_off(found), must_be_approved(found, utc_now().date())
    if request.method == "POST" and form.is_valid():
        try:
            asked = accept_difference(
                found.id,
                reason=form.cleaned_data["reason"],
                principal=request.principal,
                now=utc_now(),
            )
            done = f"waits for another person in {asked.code}" if asked else "is written off"
            answer = _drawer(request, _visible(request, number))
            return with_toast(answer, f"{number} {done}.")
        except (WriteOffError, ApprovalError) as error:
            problem = str(error)
    context = {
        "form": form,
        "title": f"Write off {found.match_key}",
        "intro": _intro(found, asks=asks),
        "conflict": problem,
        "submit": "Ask for approval" if asks else "Write off",
        "danger": True,
        "post_url": reverse("break-write-off", args=[number]),
        "target": "#panel",
    }
    status = 422 if request.method == "POST" else 200
    response = render(request, "console/exceptions/dialog_form.html", context, status=status)
    if status == 422:
        response.headers["HX-Retarget"] = "#case-dialog"
    return response


def _intro(found: Break, *, asks: bool) -> str:
    amount = split_amount(found.variance, found.currency).plain()
    told = f"The difference of {amount} is accepted for good."
    return f"{told} Another person in Finance or Admin must agree." if asks else told


@page("reconciliation")
def export(request: ConsoleRequest) -> HttpResponse:
    """The breaks or matches of the scope and its bucket as CSV."""
    entities = list_entities(request.principal)
    scope = scope_of(request, entities)
    rows, name = _rows(request, scope), f"reconciliation-{scope.subject}-{scope.bucket}"
    if scope.bucket == MATCHED:
        codes = {entity.id: entity.code for entity in entities}
        matched = (
            (m.match_key, codes.get(m.legal_entity_id, ""), m.amount, m.currency, m.rule)
            for m in rows.iterator(chunk_size=500)
        )
        return csv_response(name, MATCH_HEADER, matched)
    lines = (
        (
            f"BRK-{b.number}", b.match_key, b.customer,
            b.legal_entity.code if b.legal_entity else "", b.type, b.state,
            *amounts_of(b).values(), b.variance, b.currency, b.explanation, b.opened_at,
        )
        for b in rows.iterator(chunk_size=500)
    )  # fmt: skip
    return csv_response(name, EXPORT_HEADER, lines)
