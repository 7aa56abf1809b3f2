"""The fingerprint of a definition: its graph, and the code of its steps (ADR-0017).

Two parts in 64 characters: the graph's digest, a dot, the code's digest. Words for people,
comments, docstrings and layout are not part of it; the form is our own, so that a new Python does
not change it.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from apps.core.codec import content_hash
from apps.workflows.definition import Definition, StepForm
from apps.workflows.reach import constants_of, functions_of

GRAPH, CODE = 24, 39


def fingerprint_of(definition: Definition) -> str:
    """The fingerprint of one version of a workflow as this release has it."""
    graph = content_hash([_shape(step) for step in definition.steps])
    roots = [f for step in definition.steps for f in (step.decide, step.undo) if f is not None]
    code = content_hash({name: _written(f) for name, f in functions_of(*roots).items()})
    return f"{graph[:GRAPH]}.{code[:CODE]}"


def is_same_graph(one: str, other: str) -> bool:
    """Whether two fingerprints differ at most in the code of steps."""
    return one[:GRAPH] == other[:GRAPH]


def _shape(step: StepForm) -> list[Any]:
    return [
        step.name,
        sorted(step.needs),
        step.kind,
        step.is_material,
        step.undo is not None,
    ]


def _written(function: FunctionType) -> list[Any]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except SyntaxError:  # a lambda in the middle of an expression has no source of its own
        code = function.__code__
        return [code.co_code.hex(), list(code.co_names), repr(code.co_consts[1:])]
    return [list(_parts(tree)), constants_of(function)]


def _parts(node: Any) -> Iterator[Any]:
    """A tree as nested plain lists: node names and what is in them, without docstrings."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if value in (None, [], ()) or name in ("ctx", "kind", "type_comment", "type_params"):
                continue
            yield [name, list(_parts(_without_words(node, name, value)))]
    elif isinstance(node, list):
        for item in node:
            yield list(_parts(item))
    else:
        yield repr(node)


def _without_words(node: ast.AST, name: str, value: Any) -> Any:
    """A body without its docstring."""
    if name == "body" and isinstance(node, ast.FunctionDef):
        return value[1:] if ast.get_docstring(node, clean=False) is not None else value
    return value
