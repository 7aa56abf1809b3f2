"""What a measuring command ends with: ``RESULT name value unit target T met|missed`` a figure."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

Number = int | float | Decimal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure and what it should be.

    ``target`` is a bound in words of arithmetic: ``0`` (exactly), ``>=10`` or ``<=50``.
    """

    name: str
    value: Number
    unit: str
    target: str

    @property
    def is_met(self) -> bool:
        bound = Decimal(self.target.lstrip("<>="))
        value = Decimal(str(self.value))
        if self.target.startswith(">="):
            return value >= bound
        if self.target.startswith("<="):
            return value <= bound
        return value == bound

    def line(self) -> str:
        shown = f"{self.value:.3f}" if isinstance(self.value, float) else str(self.value)
        word = "met" if self.is_met else "missed"
        return f"RESULT {self.name} {shown} {self.unit} target {self.target} {word}"


def report(figures: Iterable[Figure]) -> int:
    """Print the lines; the exit code is 1 when a target is missed."""
    listed = list(figures)
    for figure in listed:
        sys.stdout.write(figure.line() + "\n")
    sys.stdout.flush()
    return 0 if all(figure.is_met for figure in listed) else 1
