"""Runs in this moment: what the engine holds in memory of a set while it plays its rounds."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from apps.core.rows import uuid_array
from apps.workflows.definition import Definition, Facts
from apps.workflows.registry import definition_of
from apps.workflows.types import HeldRun, HeldStep

OVER = ("succeeded", "skipped")


@dataclass(slots=True)
class Turn:
    """One run in this moment: its steps by name and its facts."""

    run: HeldRun
    definition: Definition
    steps: dict[str, HeldStep]
    facts: Facts

    def view(self, name: str) -> Facts:
        """What a step may read: the subject's facts and the outputs of the steps before it."""
        outputs = {need: self.steps[need].output for need in self.definition.before(name)}
        return {**self.facts, "outputs": outputs}

    def ready(self) -> list[HeldStep]:
        """Pending steps whose needs are over."""
        steps = self.steps
        return [
            steps[form.name]
            for form in self.definition.steps
            if steps[form.name].state == "pending"
            and all(steps[need].state in OVER for need in form.needs)
        ]


_STEPS = """
SELECT id, run_id, name, lane, is_material, state, output, posting_id, attempt, started_at,
       waits_for, error_code, error_message, input_hash, command_hash, undo_hash
FROM workflows_step WHERE run_id = ANY(%s::uuid[]) ORDER BY run_id, position
"""


def load_turns(runs: Sequence[HeldRun]) -> list[Turn]:
    """The steps and facts of many runs, read at once.

    Raises ``LookupError`` for a run on a definition that this release has no more.
    """
    steps: dict[uuid.UUID, dict[str, HeldStep]] = {run.id: {} for run in runs}
    for step in _steps_of(runs):
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


def _steps_of(runs: Sequence[HeldRun]) -> Iterator[HeldStep]:
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, [uuid_array(run.id for run in runs)])
        for row in cursor.fetchall():
            step = HeldStep(*row)
            step.output = {} if step.output == "{}" else json.loads(step.output)
            yield step


def _facts_of(runs: Sequence[HeldRun]) -> dict[tuple[str, int, str], Facts]:
    subjects: dict[tuple[str, int], list[str]] = {}
    for run in runs:
        key = (run.definition, run.definition_version)
        subjects.setdefault(key, []).append(str(run.subject_id))
    return {
        (name, version, subject): found
        for (name, version), ids in subjects.items()
        for subject, found in definition_of(name, version).load(ids).items()
    }
