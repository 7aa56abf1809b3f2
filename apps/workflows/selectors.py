"""Reads of runs and steps."""

import uuid

from django.db.models import Q
from django.db.models.functions import Now

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.workflows.models import Step, WorkflowRun


def list_runs(principal: Principal) -> ScopedQuerySet:
    """Runs a principal may see, newest first."""
    return WorkflowRun.objects.visible_to(principal).order_by("-id")


def steps_of(run_ids: list[uuid.UUID]) -> list[Step]:
    """Steps of some runs, in order."""
    return list(Step.objects.filter(run_id__in=run_ids).order_by("run_id", "position"))


def has_due_runs() -> bool:
    """Whether a run is due that no worker holds, by the database's clock."""
    return (
        WorkflowRun.objects.filter(
            due_at__lte=Now(),
            state__in=["pending", "running", "waiting", "failed", "compensating"],
        )
        .filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=Now()))
        .exists()
    )


def steps_by_id(ids: list[uuid.UUID]) -> dict[uuid.UUID, Step]:
    return {s.id: s for s in Step.objects.select_related("run").filter(id__in=ids)}
