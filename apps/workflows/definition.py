"""The form of a workflow: a declared graph of named steps (ADR-0004).

A step's ``decide`` is a pure function from facts to one command. It reads no clock, makes no
query and calls nobody; what it read and decided is recorded, so that a history can be replayed
(ADR-0017). A step that writes says what kind of saga step it is (ADR-0018).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from apps.core.codec import content_hash
from apps.workflows.reach import can_name

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The step has its result."""

    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Post:
    """Write to a platform, once in effect. ``payload`` is in canonical terms."""

    role: str
    operation: str
    payload: Mapping[str, Any]
    document: tuple[str, str, int]  # type, id, version
    label: str
    ordering_key: str
    amount: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Perform:
    """Change our own records by a named action, which takes all runs of this moment at once."""

    action: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a signal of this key is there; after ``seconds`` a person is asked."""

    signal: str
    seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Refuse:
    """The step cannot go on: a person must put something right. Becomes one case."""

    code: str
    title: str
    explanation: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Command = Done | Post | Perform | WaitFor | Refuse
Decide = Callable[[Facts], Command]


def command_hash(command: Command) -> str:
    """SHA-256 (hex) of a command: its kind and all that it says."""
    said = {each.name: getattr(command, each.name) for each in fields(command)}
    return content_hash([type(command).__name__, said])


@dataclass(frozen=True, slots=True)
class StepForm:
    """A named step: what it needs first (its gate), the lane it is drawn in, how it may end.

    ``kind`` is the step's part in the saga, empty for one that only decides: a *compensatable*
    step is undone by ``undo``, a *pivot* is the point of no return, a *retriable* step comes after
    it and is tried until it is done. ``undo`` reads the facts that the step itself had read, the
    step's own output among the outputs, and under ``posted`` the payload that was sent (None when
    nothing was); it gives one command (``Post``, ``Done`` or ``Refuse``). ``may_skip`` says that
    two people may go on without the step, because no later step reads its output.
    """

    name: str
    decide: Decide
    needs: tuple[str, ...] = ()
    lane: str = "hub"  # cpq | billing | tax | provisioning | erp | hub
    kind: str = ""
    is_material: bool = False
    undo: Decide | None = None
    may_skip: bool = False


LONGEST_NAME = 32  # "reverse:" and the name are the purpose of the posting that undoes the step
KINDS = ("compensatable", "pivot", "retriable")


def _ancestors(steps: tuple[StepForm, ...]) -> dict[str, frozenset[str]]:
    """Every step that each step needs, directly or through others."""
    found: dict[str, frozenset[str]] = {}
    for step in steps:
        found[step.name] = frozenset(step.needs).union(*(found[need] for need in step.needs))
    return found


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a workflow. ``load`` reads the facts of many subjects at once."""

    name: str
    version: int
    subject_type: str
    title: str
    steps: tuple[StepForm, ...]
    load: Callable[[list[str]], Mapping[str, Facts]]
    _before: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            unknown = set(step.needs) - seen
            if unknown:
                raise ValueError(f"{self.name}.{step.name} needs {sorted(unknown)} before it")
            if step.name in seen:
                raise ValueError(f"{self.name} has two steps named {step.name}")
            seen.add(step.name)
        object.__setattr__(self, "_before", _ancestors(self.steps))
        for step in self.steps:
            kinds = {self.step(need).kind for need in self.before(step.name)}
            fault = _fault(step, has_pivot_before="pivot" in kinds)
            if fault:
                raise ValueError(f"{self.name}.{step.name} {fault}")

    def before(self, name: str) -> frozenset[str]:
        """The steps that are over before this one is decided: the only ones it may read."""
        return self._before[name]

    def after(self, name: str) -> frozenset[str]:
        """The steps that wait for this one, directly or through others."""
        return frozenset(other for other, needed in self._before.items() if name in needed)

    def step(self, name: str) -> StepForm:
        return next(step for step in self.steps if step.name == name)


def _fault(step: StepForm, *, has_pivot_before: bool) -> str:
    """What is wrong with a step's declaration, empty when nothing is."""
    writes = step.is_material or can_name(Post, step.decide)
    rules = (
        (writes and step.kind not in KINDS,
         f"writes to a platform: declare its kind as one of {', '.join(KINDS)}"),
        (step.kind not in ("", *KINDS), f"is of no known kind: {step.kind}"),
        (step.kind == "compensatable" and step.is_material and step.undo is None,
         "is compensatable and material: declare its undo"),
        (step.kind != "compensatable" and step.undo is not None,
         "has an undo: only a compensatable step is undone"),
        (step.kind == "compensatable" and has_pivot_before,
         "is compensatable after a pivot: a saga only goes forward from there"),
        (step.kind == "retriable" and step.is_material and not has_pivot_before,
         "is material and retriable before any pivot: nothing could undo it"),
        (len(step.name) > LONGEST_NAME, f"has a name of more than {LONGEST_NAME} characters"),
    )  # fmt: skip
    return next((words for is_broken, words in rules if is_broken), "")
