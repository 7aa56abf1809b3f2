"""Recording what steps read and decided, and reading it again as histories."""

import datetime as dt
import uuid
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from apps.postings.models import Posting
from apps.workflows.definition import Command, Facts, command_hash
from apps.workflows.history import History, RecordedStep, pack, state_hash_of, unpack
from apps.workflows.models import RunFacts, Step, WorkflowRun

UNDONE = ("compensating", "compensated")


class Named(Protocol):
    """A run, however it is held in memory."""

    id: uuid.UUID
    definition: str
    definition_version: int
    subject_id: uuid.UUID


class Noted(Protocol):
    """A step, however it is held in memory."""

    name: str
    state: str
    input_hash: str
    command_hash: str
    undo_hash: str
    output: Any


# A run with its steps by name, the facts it reads in this moment, and what each step decided.
Decision = tuple[Named, Mapping[str, Noted], Facts, Noted, Command]


def note_decisions(decisions: Sequence[Decision], now: dt.datetime) -> None:
    """Put on each step what it read and decided, and keep facts that are not kept yet.

    Facts are packed once for each run and moment; a run that reads what it read before writes
    nothing. The steps are not saved here: their hashes go out with their next move.
    """
    packed: dict[int, tuple[str, bytes]] = {}
    fresh: dict[tuple[uuid.UUID, str], RunFacts] = {}
    for run, steps, facts, step, command in decisions:
        if id(facts) not in packed:
            packed[id(facts)] = pack(facts)
        digest, content = packed[id(facts)]
        if all(other.input_hash != digest for other in steps.values()):
            fresh[run.id, digest] = RunFacts(
                run_id=run.id, hash=digest, packed=content, read_at=now
            )
        step.input_hash, step.command_hash = digest, command_hash(command)
    if fresh:
        RunFacts.objects.bulk_create(fresh.values(), ignore_conflicts=True)


def state_hash(run: Named, steps: Sequence[Noted]) -> str:
    """The hash of a run that has ended, over its steps in order."""
    recorded = [_recorded(step, None) for step in steps]
    return state_hash_of(run.definition, run.definition_version, str(run.subject_id), recorded)


def _recorded(step: Noted, posted: Mapping[str, object] | None) -> RecordedStep:
    return RecordedStep(
        name=step.name,
        state=step.state,
        input_hash=step.input_hash,
        command_hash=step.command_hash,
        undo_hash=step.undo_hash,
        output=step.output,
        posted=posted,
    )


def histories_of(runs: Sequence[WorkflowRun]) -> dict[uuid.UUID, History]:
    """The recorded histories of some runs, read in sets."""
    steps: dict[uuid.UUID, list[Step]] = {run.id: [] for run in runs}
    for step in Step.objects.filter(run_id__in=list(steps)).order_by("run_id", "position"):
        steps[step.run_id].append(step)
    facts: dict[uuid.UUID, dict[str, Facts]] = {run.id: {} for run in runs}
    for row in RunFacts.objects.filter(run_id__in=list(steps)):
        with suppress(ValueError, zlib.error):  # damaged facts are as good as lost, and show so
            facts[row.run_id][row.hash] = unpack(row.hash, bytes(row.packed))
    sent = payloads_of([s for each in steps.values() for s in each if s.undo_hash])
    return {
        run.id: History(
            label=run.label,
            definition=run.definition,
            version=run.definition_version,
            subject_id=str(run.subject_id),
            steps=[_recorded(s, sent.get(s.posting_id)) for s in steps[run.id]],
            facts=facts[run.id],
            state_hash=run.state_hash,
        )
        for run in runs
    }


def payloads_of(steps: Sequence[Step]) -> dict[uuid.UUID | None, Mapping[str, object]]:
    """What was sent for some steps, by posting id."""
    ids = [step.posting_id for step in steps if step.posting_id]
    return dict(Posting.objects.filter(id__in=ids).values_list("id", "payload"))
