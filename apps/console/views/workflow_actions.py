"""What people do to a run: each in a dialog with its reason, refused in plain words."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.console.access import form_action
from apps.console.forms import ReasonForm
from apps.console.requests import ConsoleRequest, with_toast
from apps.console.sections.workflows import run_detail
from apps.core.clock import utc_now
from apps.users.policies import may
from apps.workflows.errors import RunActionError
from apps.workflows.models import WorkflowRun
from apps.workflows.selectors import list_runs
from apps.workflows.services import (
    cancel_runs,
    pause_runs,
    propose_compensation,
    propose_skip,
    reset_to_step,
    resume_runs,
)

Do = Callable[[ConsoleRequest, WorkflowRun, str, str], str]


@dataclass(frozen=True, slots=True)
class RunDialog:
    """The words of a dialog, and what it does: (request, run, step, reason) to the toast."""

    title: str
    intro: str
    submit: str
    do: Do
    danger: bool = False


def _pause(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    pause_runs([run.id], reason=reason, actor=request.principal.actor, now=utc_now())
    return f"{run.label} is paused."


def _resume(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    resume_runs([run.id], reason=reason, actor=request.principal.actor, now=utc_now())
    return f"{run.label} goes on."


def _cancel(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    cancel_runs([run.id], reason=reason, actor=request.principal.actor, now=utc_now())
    return f"{run.label} is cancelled."


def _reset(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    actor = request.principal.actor
    moved = reset_to_step(run.id, step, reason=reason, actor=actor, now=utc_now())
    return f"{len(moved)} steps of {run.label} are decided again."


def _skip(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    asked = propose_skip(run.id, step, reason=reason, principal=request.principal, now=utc_now())
    return _asked(asked)


def _compensate(request: ConsoleRequest, run: WorkflowRun, step: str, reason: str) -> str:
    who = request.principal
    return _asked(propose_compensation(run.id, reason=reason, principal=who, now=utc_now()))


def _asked(approval: Approval) -> str:
    return f"{approval.code} waits for a second person."


DIALOGS = {
    "pause": RunDialog(
        "Pause {run}",
        "Nothing new is sent for it until somebody resumes it. What was sent already is still "
        "confirmed.",
        "Pause",
        _pause,
    ),
    "resume": RunDialog(
        "Resume {run}", "It goes on where it stands, with what was held back.", "Resume", _resume
    ),
    "cancel": RunDialog(
        "Cancel {run}",
        "It ends for good, and what was not sent is given up. A run of which something stands at "
        "a platform is compensated instead.",
        "Cancel the run",
        _cancel,
        danger=True,
    ),
    "compensate": RunDialog(
        "Compensate {run}",
        "What it has written is taken back in reverse order by documents of their own: nothing is "
        "deleted. A second person approves first.",
        "Ask for approval",
        _compensate,
        danger=True,
    ),
    "reset": RunDialog(
        "Go back to {step} of {run}",
        "This step and all that wait for it are decided again with the facts of today. What a "
        "platform has confirmed is not written again.",
        "Go back",
        _reset,
    ),
    "skip": RunDialog(
        "Skip {step} of {run}",
        "The run goes on as if the step were done. A second person approves first.",
        "Ask for approval",
        _skip,
        danger=True,
    ),
}
OF_STEPS = ("reset", "skip")


@form_action("run.steer")
def act(request: ConsoleRequest, run_id: uuid.UUID, how: str, step: str = "") -> HttpResponse:
    """One dialog: shown, sent, answered with the run as it is then."""
    run = list_runs(request.principal).filter(pk=run_id).first()
    dialog = DIALOGS.get(how)
    if run is None or dialog is None or (how in OF_STEPS) != bool(step):
        raise Http404("There is no such run, or nothing of this kind to do with it.")
    form = ReasonForm(request.POST if request.method == "POST" else None, initial={"rev": 0})
    if request.method == "POST" and form.is_valid():
        try:
            told = dialog.do(request, run, step, form.cleaned_data["reason"])
        except (RunActionError, ApprovalError) as error:
            form.add_error(None, str(error))
        else:
            return with_toast(_run(request, run_id), told)
    return _dialog(request, run, dialog, form, step)


def _run(request: ConsoleRequest, run_id: uuid.UUID) -> HttpResponse:
    run = list_runs(request.principal).select_related("legal_entity").get(pk=run_id)
    now = utc_now()
    context = {
        "detail": run_detail(run, request.principal, now),
        "may_steer": may(request.principal, "run.steer"),
        "now": now,
    }
    return render(request, "console/workflows/run.html", context)


def _dialog(
    request: ConsoleRequest, run: WorkflowRun, dialog: RunDialog, form: ReasonForm, step: str
) -> HttpResponse:
    words = {"run": run.label, "step": step.replace("_", " ")}
    how = next(name for name, known in DIALOGS.items() if known is dialog)
    place = [run.id, step, how] if step else [run.id, how]
    context = {
        "form": form,
        "title": dialog.title.format(**words),
        "intro": dialog.intro,
        "submit": dialog.submit,
        "danger": dialog.danger,
        "post_url": reverse("workflow-step-act" if step else "workflow-act", args=place),
        "target": "#run",
    }
    status = 422 if request.method == "POST" else 200
    response = render(request, "console/exceptions/dialog_form.html", context, status=status)
    if status == 422:
        response.headers["HX-Retarget"] = "#case-dialog"
    return response
