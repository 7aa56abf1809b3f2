"""Workflow runs: read them and their steps; hold, let go, end, send back, and ask to undo."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField
from apps.api.idempotency import idempotent
from apps.api.resources.exceptions import CaseSerializer
from apps.api.views import HubListView, HubView
from apps.core.clock import utc_now
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.selectors import list_runs, steps_of
from apps.workflows.services import (
    cancel_runs,
    pause_runs,
    request_compensation,
    reset_to_step,
    resume_runs,
)

Act = Callable[..., Sequence[uuid.UUID]]  # a service that acts on runs, with a reason


class RunSerializer(serializers.Serializer[WorkflowRun]):
    id = serializers.UUIDField()
    entity = serializers.CharField(source="legal_entity.code", allow_null=True, default=None)
    workflow = serializers.CharField(source="definition")
    version = serializers.IntegerField(source="definition_version")
    document = serializers.CharField(source="label")
    state = serializers.CharField()
    held = serializers.SerializerMethodField(
        help_text="Whether the release that runs may not advance it; its exception says why."
    )
    amount = MoneyField("amount")
    currency = serializers.CharField()
    journey = serializers.UUIDField(source="journey_id", allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    state_hash = serializers.CharField(help_text="Over the history of a run that has ended.")

    def get_held(self, run: WorkflowRun) -> bool:
        return run.held_for != ""


class StepSerializer(serializers.Serializer[Step]):
    name = serializers.CharField()
    lane = serializers.CharField()
    kind = serializers.CharField(help_text="compensatable, pivot, retriable, or empty.")
    state = serializers.CharField()
    waits_for = serializers.CharField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RunDetailSerializer(RunSerializer):
    steps = StepSerializer(many=True)


class ReasonSerializer(serializers.Serializer[None]):
    reason = serializers.CharField(
        min_length=10, max_length=1000, help_text="Why; it stays with the run."
    )


class ResetSerializer(ReasonSerializer):
    step = serializers.CharField(max_length=60, help_text="The step to go back to.")


class WorkflowRunList(HubListView):
    """Runs of your legal entities, newest first; ``state`` and ``workflow`` narrow."""

    actions: ClassVar = {"GET": "run.read"}
    serializer_class: ClassVar = RunSerializer
    ordering: ClassVar = ("-created_at", "-id")

    def rows(self) -> QuerySet[WorkflowRun]:
        runs = _runs(self)
        states, workflows = self.asked("state"), self.asked("workflow")
        runs = runs.filter(state__in=states) if states else runs
        return runs.filter(definition__in=workflows) if workflows else runs


class WorkflowRunDetail(HubView):
    """One run with its steps."""

    actions: ClassVar = {"GET": "run.read"}

    @extend_schema(responses=RunDetailSerializer)
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        return Response(_detail(_runs(self).get(id=run_id)))


class RunAction(HubView):
    """What is done to one run, with a reason."""

    actions: ClassVar = {"POST": "run.steer"}

    def carry_out(self, run_id: uuid.UUID, request: Request, act: Act) -> Response:
        form = ReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = _runs(self).get(id=run_id)
        act([run.id], reason=form.validated_data["reason"], actor=self.principal.actor,
            now=utc_now())  # fmt: skip
        return Response(_detail(_runs(self).get(id=run_id)), status=202)


class RunPause(RunAction):
    """Hold a run where it is: nothing new is sent, what was sent is still confirmed."""

    @extend_schema(request=ReasonSerializer, responses={202: RunDetailSerializer})
    @idempotent
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        return self.carry_out(run_id, request, pause_runs)


class RunResume(RunAction):
    """Let a paused run go on."""

    @extend_schema(request=ReasonSerializer, responses={202: RunDetailSerializer})
    @idempotent
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        return self.carry_out(run_id, request, resume_runs)


class RunCancel(RunAction):
    """End a run of which nothing stands at a platform; what was not sent is given up."""

    @extend_schema(request=ReasonSerializer, responses={202: RunDetailSerializer})
    @idempotent
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        return self.carry_out(run_id, request, cancel_runs)


class RunReset(HubView):
    """Go back to a step: it and what waits for it are decided again, confirmed writes stand."""

    actions: ClassVar = {"POST": "run.steer"}

    @extend_schema(request=ResetSerializer, responses={202: RunDetailSerializer})
    @idempotent
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        form = ResetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = _runs(self).get(id=run_id)
        reset_to_step(run.id, form.validated_data["step"], reason=form.validated_data["reason"],
                      actor=self.principal.actor, now=utc_now())  # fmt: skip
        return Response(_detail(_runs(self).get(id=run_id)), status=202)


class RunCompensation(HubView):
    """Ask people to take back what a run has written. A person proposes it from the exception
    that this opens, another approves."""

    actions: ClassVar = {"POST": "run.steer"}

    @extend_schema(request=ReasonSerializer, responses={202: CaseSerializer})
    @idempotent
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        form = ReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = _runs(self).get(id=run_id)
        case = request_compensation(
            run.id, reason=form.validated_data["reason"], actor=self.principal.actor,
            now=utc_now(),
        )  # fmt: skip
        return Response(CaseSerializer(case).data, status=202)


def _runs(view: HubView) -> QuerySet[WorkflowRun]:
    runs: QuerySet[WorkflowRun] = list_runs(view.principal)
    return runs.select_related("legal_entity")


def _detail(run: WorkflowRun) -> dict[str, Any]:
    steps = [StepSerializer(step).data for step in steps_of([run.id])]
    return {**RunSerializer(run).data, "steps": steps}
