"""A workflow reads no clock, draws no lots, knows no environment and calls nobody (REL-23)."""

import ast
from pathlib import Path

from apps.workflows import definitions
from apps.workflows.reach import functions_of, names_of
from apps.workflows.registry import all_definitions

FOLDER = Path(definitions.__file__).parent
FAMILY = definitions.__name__
# What a definition may import: values, its own form, its registry, its facts, its neighbours.
ALLOWED = (
    "collections.abc", "decimal", "typing", "apps.workflows.definition", "apps.workflows.registry",
    "apps.workflows.facts", "apps.canonical.selectors", FAMILY,
    *(f"{FAMILY}.{path.stem}" for path in FOLDER.glob("*.py")),
)  # fmt: skip
# Built-in functions through which the world, or chance, could be read.
FORBIDDEN = frozenset(
    {"open", "input", "print", "eval", "exec", "compile", "__import__", "id", "hash", "globals",
     "locals", "vars", "breakpoint", "set"}
)  # fmt: skip


def faults(tree: ast.AST) -> list[str]:
    """What a definition's source may not hold."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [f"import {alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module not in ALLOWED:
            found.append(f"from {node.module}")
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN:
            found.append(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal | ast.Await | ast.AsyncFunctionDef):
            found.append(type(node).__name__)
    return found


def test_the_definitions_are_pure() -> None:
    assert {
        path.name: faults(ast.parse(path.read_text())) for path in sorted(FOLDER.glob("*.py"))
    } == {path.name: [] for path in sorted(FOLDER.glob("*.py"))}


def test_a_step_cannot_reach_what_loads_its_facts() -> None:
    """``load`` queries; no step may call it or any other function outside the definitions."""
    for definition in all_definitions():
        steps = [f for step in definition.steps for f in (step.decide, step.undo) if f]
        for function in functions_of(*steps).values():
            assert function.__module__.startswith("apps.workflows.definitions")
            outside = [
                value
                for value in names_of(function).values()
                if getattr(value, "__module__", "").startswith("apps.")
                and not value.__module__.startswith("apps.workflows.definition")
            ]
            assert outside == []


def test_the_lint_sees_what_it_forbids() -> None:
    for line, word in (
        ("import random", "import random"),
        ("from datetime import datetime", "from datetime"),
        ("def f(x):\n    return open(x)", "open"),
        ("def f(x):\n    return set(x)", "set"),
        ("def f(x):\n    return __import__('os')", "__import__"),
        ("async def f(x):\n    return x", "AsyncFunctionDef"),
    ):
        assert faults(ast.parse(line)) == [word]
