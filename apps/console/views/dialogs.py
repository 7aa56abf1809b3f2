"""Forms about one case in a dialog: shown, sent, answered with the case as it is now."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.console.forms import GuardedForm
from apps.console.requests import ConsoleRequest, with_toast
from apps.console.views.exceptions import render_case, visible_case
from apps.core.errors import StaleWriteError
from apps.exceptions.errors import CaseActionError
from apps.exceptions.models import ExceptionCase
from apps.resolutions.errors import RemedyError


@dataclass(frozen=True, slots=True)
class Dialog:
    """The words of an action's dialog and the name of its address."""

    url_name: str
    title: str
    submit: str
    intro: str = ""
    danger: bool = False
    can_undo: bool = False


def in_panel(request: ConsoleRequest) -> bool:
    return "full" not in (request.POST if request.method == "POST" else request.GET)


def show_dialog(
    request: ConsoleRequest,
    case: ExceptionCase,
    form: GuardedForm,
    dialog: Dialog,
    *,
    conflict: str = "",
    status: int = 200,
    url: str = "",
) -> HttpResponse:
    """The dialog's content; with errors it goes back into the dialog that sent it."""
    beside = in_panel(request)
    context = {
        "form": form,
        "title": dialog.title,
        "intro": dialog.intro,
        "submit": dialog.submit,
        "danger": dialog.danger,
        "post_url": url or reverse(dialog.url_name, args=[case.reference]),
        "target": "#panel" if beside else "#case",
        "full": not beside,
        "conflict": conflict,
    }
    response = render(request, "console/exceptions/dialog_form.html", context, status=status)
    if status != 200:
        response.headers["HX-Retarget"] = "#case-dialog"
    return response


def carry_out(
    request: ConsoleRequest,
    case: ExceptionCase,
    form: GuardedForm,
    dialog: Dialog,
    do: Callable[[], str],
    url: str = "",
) -> HttpResponse:
    """Validate, do, and answer: the case and a toast, the form with its errors, or a conflict."""
    if not form.is_valid():
        return show_dialog(request, case, form, dialog, status=422, url=url)
    try:
        text = do()
    except StaleWriteError as error:
        return show_dialog(request, case, form, dialog, conflict=str(error), status=409, url=url)
    except (CaseActionError, RemedyError) as error:
        _tell(form, error)
        return show_dialog(request, case, form, dialog, status=422, url=url)
    fresh = visible_case(request, case.reference)
    answer = render_case(request, fresh, in_panel=in_panel(request), answer=True)
    undo = "" if fresh.is_open else reverse("exception-reopen", args=[case.reference])
    return with_toast(answer, text, undo_url=undo if dialog.can_undo else "")


def _tell(form: GuardedForm, error: Exception) -> None:
    """Put a refusal at the fields it names, else over the form."""
    fields = getattr(error, "fields", {})
    for name, words in fields.items():
        form.add_error(name if name in form.fields else None, words)
    if not fields:
        form.add_error(None, str(error))
