"""Master data: tables, one customer, and correcting it."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.canonical.models import Customer
from apps.console.access import action, page
from apps.console.forms import ReasonForm
from apps.console.listing import page_of, render_list
from apps.console.requests import ConsoleRequest
from apps.console.sections.master_data import (
    CORRECTABLE,
    customer_detail,
    customers_of,
    searched,
    table_of,
    table_tabs,
)
from apps.core.clock import utc_now
from apps.core.errors import RejectedError, StaleWriteError
from apps.masterdata.services import correct_customer
from apps.users.policies import may


class CorrectionForm(ReasonForm):
    """New values of the fields a person may correct in the hub."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for name, label in CORRECTABLE:
            self.fields[name] = forms.CharField(label=label, required=False)
        self.order_fields(["rev", *(name for name, _ in CORRECTABLE), "reason"])


@page("master-data")
def master_data(request: ConsoleRequest) -> HttpResponse:
    """One kind of master data."""
    table = table_of(request.GET.get("view", ""))
    text = request.GET.get("q", "").strip()
    shown = page_of(searched(table, table.rows(request.principal), text), request)
    context = {
        "heading": "Master data",
        "views": table_tabs(table),
        "views_label": "Kinds",
        "current_view": table.key,
        "columns": table.columns,
        "page": shown,
        "rows": [table.shape(row) for row in shown],
        "caption": table.label,
        "search_hint": "Name or code",
        "empty_title": f"No {table.label.lower()} here.",
    }
    return render_list(request, "console/master_data/list_body.html", context)


def _visible(request: ConsoleRequest, number: str) -> Customer:
    found: Customer | None = customers_of(request.principal).filter(number=number).first()
    if found is None:
        raise Http404(f"There is no customer {number}.")
    return found


@page("master-data")
def customer(request: ConsoleRequest, number: str) -> HttpResponse:
    """One customer: fields, identities, history."""
    return _render(request, _visible(request, number))


def _render(
    request: ConsoleRequest,
    found: Customer,
    form: CorrectionForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    initial = {name: getattr(found, name) for name, _ in CORRECTABLE} | {"rev": found.version}
    context = {
        "detail": customer_detail(found),
        "form": form or CorrectionForm(initial=initial),
        "may_correct": may(request.principal, "master_data.correct"),
        "problem": problem,
        "now": utc_now(),
    }
    return render(request, "console/master_data/customer.html", context, status=status)


@action("master_data.correct")
def correct(request: ConsoleRequest, number: str) -> HttpResponse:
    """Correct fields of a customer, with the reason; the source's later change wins again."""
    found = _visible(request, number)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _render(request, found, form, status=422)
    data = form.cleaned_data
    changes = {n: data[n] for n, _ in CORRECTABLE if data[n] != getattr(found, n)}
    if not changes:
        return _render(request, found, form, "Nothing differs from what is stored.", 422)
    try:
        correct_customer(
            customer_id=found.id,
            changes=changes,
            version=data["rev"],
            reason=data["reason"],
            actor=request.principal.actor,
            now=utc_now(),
        )
    except StaleWriteError as error:
        return _render(request, found, None, str(error), 409)
    except RejectedError as error:
        form.add_error(error.facts.field or None, error.facts.message)
        return _render(request, found, form, status=422)
    messages.success(request, f"{found.name} is corrected.")
    return redirect("customer", number)
