"""The form of a workflow: a declared graph of named steps (ADR-0004).

A step's ``decide`` is a pure function from facts to one command. It reads no clock, makes no
query and calls nobody; what it returned is recorded, so that a history can be replayed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

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


@dataclass(frozen=True, slots=True)
class StepForm:
    """A named step: what it needs first (its gate), the lane it is drawn in, how it may end."""

    name: str
    decide: Callable[[Facts], Command]
    needs: tuple[str, ...] = ()
    lane: str = "hub"  # cpq | billing | tax | provisioning | erp | hub
    kind: str = "retriable"  # compensatable | pivot | retriable
    is_material: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a workflow. ``load`` reads the facts of many subjects at once."""

    name: str
    version: int
    subject_type: str
    title: str
    steps: tuple[StepForm, ...]
    load: Callable[[list[str]], Mapping[str, Facts]]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            unknown = set(step.needs) - seen
            if unknown:
                raise ValueError(f"{self.name}.{step.name} needs {sorted(unknown)} before it")
            if step.name in seen:
                raise ValueError(f"{self.name} has two steps named {step.name}")
            seen.add(step.name)

    def step(self, name: str) -> StepForm:
        return next(step for step in self.steps if step.name == name)
