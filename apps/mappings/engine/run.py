"""Running a field map over a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.codec import to_json
from apps.mappings.engine.operators import evaluate
from apps.mappings.engine.values import ABSENT, Context, Findings, References, ValueTable
from apps.mappings.types import Missing


@dataclass(frozen=True, slots=True)
class Result:
    """The output as plain JSON (decimals as text), or everything that was missing for it."""

    output: Mapping[str, Any] | None
    missing: tuple[Missing, ...] = ()


def translate_document(
    rules: Any,
    document: Mapping[str, Any],
    tables: Mapping[str, ValueTable],
    references: References,
    *,
    scope: str = "",
) -> Result:
    """Translate one document.

    ``rules`` is a validated expression, ``tables`` value maps by code, ``references`` external
    ids by (object type, record id), ``scope`` the legal entity's code that picks rows of its own.
    The result is the same for the same arguments, whenever it is run.
    """
    findings = Findings()
    value = evaluate(Context(document, document, tables, references, scope, findings), rules)
    if findings.missing:
        return Result(None, tuple(dict.fromkeys(findings.missing)))
    return Result({} if value is ABSENT else to_json(value))


def references_wanted(
    rules: Any, document: Mapping[str, Any], tables: Mapping[str, ValueTable], *, scope: str = ""
) -> frozenset[tuple[str, str]]:
    """The (object type, record id) pairs that a translation will ask the crosswalk for."""
    if "ref" not in _operators(rules):
        return frozenset()
    findings = Findings()
    evaluate(Context(document, document, tables, {}, scope, findings), rules)
    return frozenset(findings.wanted)


def tables_used(rules: Any) -> frozenset[str]:
    """Codes of the value maps that a field map looks values up in."""
    return frozenset(node["lookup"]["map"] for node in _nodes(rules) if "lookup" in node)


def _operators(rules: Any) -> set[str]:
    return {name for node in _nodes(rules) for name in node}


def _nodes(rules: Any) -> Iterator[Mapping[str, Any]]:
    """Every expression inside a field map; the names of an ``object``'s fields are none."""
    if isinstance(rules, list):
        for part in rules:
            yield from _nodes(part)
    elif isinstance(rules, Mapping):
        if "object" not in rules:
            yield rules
        for name, argument in rules.items():
            if name == "object":
                yield from _nodes(list(argument.values()))
            elif name not in ("const", "cases"):
                yield from _nodes(argument)
