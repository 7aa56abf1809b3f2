"""Runs in this moment: what the engine holds in memory of a set while it plays its rounds."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from apps.workflows.definition import Definition, Facts
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.registry import definition_of

OVER = ("succeeded", "skipped")


@dataclass(slots=True)
class Turn:
    """One run in this moment: its steps by name and its facts."""

    run: WorkflowRun
    definition: Definition
    steps: dict[str, Step]
    facts: Facts

    def view(self) -> Facts:
        """What a step may read: the subject's facts and the outputs of the steps before it."""
        outputs = {name: step.output for name, step in self.steps.items() if step.state in OVER}
        return {**self.facts, "outputs": outputs}

    def ready(self) -> list[Step]:
        """Pending steps whose needs are over."""
        steps = self.steps
        return [
            steps[form.name]
            for form in self.definition.steps
            if steps[form.name].state == "pending"
            and all(steps[need].state in OVER for need in form.needs)
        ]


def load_turns(runs: Sequence[WorkflowRun]) -> list[Turn]:
    """The steps and facts of many runs, read at once.

    Raises ``LookupError`` for a run on a definition that this release has no more.
    """
    steps: dict[uuid.UUID, dict[str, Step]] = {run.id: {} for run in runs}
    for step in Step.objects.filter(run_id__in=list(steps)).order_by("run_id", "position"):
        steps[step.run_id][step.name] = step
    facts = _facts_of(runs)
    return [
        Turn(
            run,
            definition_of(run.definition, run.definition_version),
            steps[run.id],
            facts[run.definition, run.definition_version, str(run.subject_id)],
        )
        for run in runs
    ]


def _facts_of(runs: Sequence[WorkflowRun]) -> dict[tuple[str, int, str], Facts]:
    subjects: dict[tuple[str, int], list[str]] = {}
    for run in runs:
        key = (run.definition, run.definition_version)
        subjects.setdefault(key, []).append(str(run.subject_id))
    return {
        (name, version, subject): found
        for (name, version), ids in subjects.items()
        for subject, found in definition_of(name, version).load(ids).items()
    }
