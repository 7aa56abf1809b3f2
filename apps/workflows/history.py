"""A run's history and its replay: what each step read and decided, decided again (ADR-0017).

Pure: no query, no clock, no call. ``replay`` gives the places where this code would take another
path than the recorded one.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.core.codec import content_hash, dumps, text_hash, to_json
from apps.workflows.definition import Command, Definition, Facts, command_hash

LEVEL = 1  # facts are small and written often: speed before size


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """What one step read (by hash), decided (by hash) and came to. ``posted`` is the payload that
    was sent, for a step that was undone."""

    name: str
    state: str
    input_hash: str
    command_hash: str
    undo_hash: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    posted: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class History:
    """One recorded run. ``facts`` are by their hash; ``state_hash`` is empty while it goes on."""

    label: str
    definition: str
    version: int
    subject_id: str
    steps: Sequence[RecordedStep]
    facts: Mapping[str, Facts]
    state_hash: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay left the recorded path."""

    step: str
    what: str


def pack(facts: Facts) -> tuple[str, bytes]:
    """The hash of facts and their compressed canonical text, from one writing of it."""
    text = dumps(facts).encode()
    return text_hash(text), zlib.compress(text, LEVEL)


def state_hash_of(
    definition: str, version: int, subject_id: str, steps: Sequence[RecordedStep]
) -> str:
    """SHA-256 (hex) of where a run came to and how: every step with what it read and decided."""
    walked = [
        [s.name, s.state, s.input_hash, s.command_hash, s.undo_hash, content_hash(s.output)]
        for s in steps
    ]
    return content_hash([definition, version, subject_id, walked])


def replay(definition: Definition, history: History) -> list[Difference]:
    """Decide every recorded step again; empty when this code takes the recorded path."""
    recorded = {step.name: step for step in history.steps}
    forms = [form.name for form in definition.steps]
    if sorted(forms) != sorted(recorded):
        return [Difference("", f"the steps are {forms} instead of {list(recorded)}")]
    found: list[Difference] = []
    again: list[RecordedStep] = []
    for step in history.steps:
        redone = _redo(definition, history, recorded, step)
        found += _unlike(step, redone)
        again.append(redone)
    state = state_hash_of(history.definition, history.version, history.subject_id, again)
    if history.state_hash and not found and state != history.state_hash:
        found.append(Difference("", "the final state's hash is another one"))
    return found


def _redo(
    definition: Definition,
    history: History,
    recorded: Mapping[str, RecordedStep],
    step: RecordedStep,
) -> RecordedStep:
    """The step as this code decides it from what it had read."""
    if not step.command_hash:  # never decided
        return step
    facts = history.facts.get(step.input_hash)
    if facts is None:
        return _with(step, input_hash="", command_hash="facts are not kept")
    outputs = {name: recorded[name].output for name in definition.before(step.name)}
    form = definition.step(step.name)
    decided = _hash_of(lambda: form.decide({**facts, "outputs": outputs}))
    undone = ""
    if step.undo_hash and form.undo is not None:
        undo = form.undo
        view = undo_view(facts, {**outputs, step.name: step.output}, step.posted)
        undone = _hash_of(lambda: undo(view))
    return _with(step, input_hash=content_hash(facts), command_hash=decided, undo_hash=undone)


def undo_view(facts: Facts, outputs: Mapping[str, Any], posted: Mapping[str, Any] | None) -> Facts:
    """What an undo may read."""
    return {**facts, "outputs": outputs, "posted": posted}


def _hash_of(decide: Any) -> str:
    try:
        command: Command = decide()
    except Exception as error:  # noqa: BLE001 - code that fails here took another path, too
        return f"{type(error).__name__}: {error}"
    return command_hash(command)


def _with(step: RecordedStep, **hashes: str) -> RecordedStep:
    kept = {"undo_hash": step.undo_hash, **hashes}
    return RecordedStep(step.name, step.state, output=step.output, posted=step.posted, **kept)


def _unlike(step: RecordedStep, redone: RecordedStep) -> list[Difference]:
    pairs = (
        ("read other facts", step.input_hash, redone.input_hash),
        ("decides otherwise", step.command_hash, redone.command_hash),
        ("is undone otherwise", step.undo_hash, redone.undo_hash),
    )
    return [
        Difference(step.name, f"{words}: {new or 'nothing'} instead of {old}")
        for words, old, new in pairs
        if old != new
    ]


def unpack(digest: str, packed: bytes) -> Facts:
    """Facts as they were read. Raises ``ValueError`` when they are not those of the hash."""
    text = zlib.decompress(packed)
    if text_hash(text) != digest:
        raise ValueError(f"the kept facts are not those of {digest}")
    return dict(json.loads(text))


def as_document(history: History) -> dict[str, Any]:
    """A history as plain JSON, to be kept in a file."""
    document: dict[str, Any] = to_json(asdict(history))
    return document


def from_document(document: Mapping[str, Any]) -> History:
    """The history of such a file."""
    steps = [RecordedStep(**step) for step in document["steps"]]
    return History(**{**document, "steps": steps})
