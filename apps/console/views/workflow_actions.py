"""What people do to a run: each in a dialog with its reason, refused in plain words."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.console.access import form_action
from apps.console.forms import ReasonForm
from apps.console.requests import ConsoleRequest, with_toast
from apps.console.views.workflows import render_run, visible_run
from apps.core.clock import utc_now
from apps.core.principal import Actor
from apps.workflows.errors import RunActionError
from apps.workflows.models import WorkflowRun
from apps.workflows.services import (
    cancel_runs,
    pause_runs,
    propose_compensation,
    propose_skip,
    reset_to_step,
    resume_runs,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks of a run, with the reason; ``step`` is empty for the run itself."""

    request: ConsoleRequest
    run: WorkflowRun
    step: str
    reason: str

    @property
    def said(self) -> dict[str, Any]:
        """What every service takes."""
        return {"reason": self.reason, "now": utc_now()}

    @property
    def actor(self) -> Actor:
        return self.request.principal.actor


@dataclass(frozen=True, slots=True)
class RunDialog:
    """The words of a dialog, and what it does; that gives the toast."""

    title: str
    intro: str
    submit: str
    do: Callable[[Asked], str]
    danger: bool = False


def _pause(asked: Asked) -> str:
    pause_runs([asked.run.id], actor=asked.actor, **asked.said)
    return f"{asked.run.label} is paused."


def _resume(asked: Asked) -> str:
    resume_runs([asked.run.id], actor=asked.actor, **asked.said)
    return f"{asked.run.label} goes on."


def _cancel(asked: Asked) -> str:
    cancel_runs([asked.run.id], actor=asked.actor, **asked.said)
    return f"{asked.run.label} is cancelled."


def _reset(asked: Asked) -> str:
    moved = reset_to_step(asked.run.id, asked.step, actor=asked.actor, **asked.said)
    return f"{len(moved)} steps of {asked.run.label} are decided again."


def _skip(asked: Asked) -> str:
    who = asked.request.principal
    return _waits(propose_skip(asked.run.id, asked.step, principal=who, **asked.said))


def _compensate(asked: Asked) -> str:
    who = asked.request.principal
    return _waits(propose_compensation(asked.run.id, principal=who, **asked.said))


def _waits(approval: Approval) -> str:
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
    run, dialog = visible_run(request, run_id), DIALOGS.get(how)
    if dialog is None or (how in OF_STEPS) != bool(step):
        raise Http404("There is nothing of this kind to do with a run.")
    form = ReasonForm(request.POST if request.method == "POST" else None, initial={"rev": 0})
    if request.method == "POST" and form.is_valid():
        try:
            told = dialog.do(Asked(request, run, step, form.cleaned_data["reason"]))
        except (RunActionError, ApprovalError) as error:
            form.add_error(None, str(error))
        else:
            fresh = visible_run(request, run_id)
            return with_toast(render_run(request, fresh, "console/workflows/run.html"), told)
    return _dialog(request, run, dialog, form, step)


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
