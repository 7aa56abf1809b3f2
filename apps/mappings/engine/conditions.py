"""Conditions of ``if`` and ``where``: true or false, never a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.mappings.engine import convert
from apps.mappings.engine.values import ABSENT, Context, Unreadable

Evaluate = Callable[[Context, Any], Any]
CONDITIONS = ("equals", "one_of", "present", "zero", "not", "all", "any")


def holds(context: Context, rule: Mapping[str, Any], evaluate: Evaluate) -> bool:
    """Whether a condition is true; a field that is not there equals nothing."""
    ((name, argument),) = rule.items()
    if name in ("not", "all", "any"):
        return _combined(context, name, argument, evaluate)
    if name in ("present", "zero"):
        value = _quietly(context, argument, evaluate)
        return value is not ABSENT if name == "present" else _is_zero(value)
    value = _quietly(context, argument[0], evaluate)
    return bool(value in argument[1] if name == "one_of" else value == argument[1])


def _combined(context: Context, name: str, argument: Any, evaluate: Evaluate) -> bool:
    if name == "not":
        return not holds(context, argument, evaluate)
    parts = (holds(context, part, evaluate) for part in argument)
    return all(parts) if name == "all" else any(parts)


def _is_zero(value: Any) -> bool:
    try:
        return value is not ABSENT and convert.as_decimal(value) == 0
    except Unreadable:
        return False


def _quietly(context: Context, rule: Any, evaluate: Evaluate) -> Any:
    before = len(context.findings.missing)
    value = evaluate(context, rule)
    del context.findings.missing[before:]
    return value
