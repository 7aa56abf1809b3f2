"""Replaying recorded runs against the code of this release: no call, no write (I7)."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from apps.workflows.history import Difference, History, replay
from apps.workflows.models import WorkflowRun
from apps.workflows.registry import definition_of
from apps.workflows.services.record import histories_of

PAGE = 200


@dataclass
class ReplayReport:
    """What a replay found, by run."""

    identical: int = 0
    steps: int = 0
    different: dict[uuid.UUID, list[Difference]] = field(default_factory=dict)
    unrecorded: list[uuid.UUID] = field(default_factory=list)  # begun before histories were kept
    labels: dict[uuid.UUID, str] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return self.identical + len(self.different) + len(self.unrecorded)


def replay_runs(ids: Sequence[uuid.UUID]) -> ReplayReport:
    """Decide every recorded step of some runs again and compare commands and final states.

    The database refuses any write meanwhile.
    """
    report = ReplayReport()
    for page in _pages(ids):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            runs = list(WorkflowRun.objects.filter(id__in=page).order_by("id"))
            histories = histories_of(runs)
        for run in runs:
            _judge(run, histories[run.id], report)
    return report


def _pages(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


def _judge(run: WorkflowRun, history: History, report: ReplayReport) -> None:
    report.labels[run.id] = run.label
    decided = [step for step in history.steps if step.command_hash]
    if not decided and any(step.output for step in history.steps):
        report.unrecorded.append(run.id)
        return
    try:
        differences = replay(definition_of(run.definition, run.definition_version), history)
    except LookupError as error:
        differences = [Difference("", str(error))]
    report.steps += len(decided)
    if differences:
        report.different[run.id] = differences
    else:
        report.identical += 1
