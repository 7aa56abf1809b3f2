"""Celery stays a doorbell and state machines stay plain: what the code must never contain."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for path in (ROOT / "apps").rglob("*.py")
    if "simulators" not in path.parts and "migrations" not in path.parts
]
KEYWORDS = {"eta", "countdown", "expires", "autoretry_for", "retry_backoff", "bind"}
CALLS = {"retry", "apply_async", "delay", "signature", "subtask"}
CELERY_NAMES = {"shared_task", "current_app"}
SIGNALS = ("django.dispatch", "django.db.models.signals", "django_fsm.signals", "blinker")
BREACHES = """
from celery import chain, chord, group
from celery.result import AsyncResult
from django.dispatch import receiver
import django.db.models.signals
task.apply_async(args=(1,), countdown=5)
self.retry()
task.delay(1)
row.refresh_from_db()

@shared_task(name="a.b", bind=True)
def work(amount: int) -> None: ...

class Thing:
    @transition("state", source="a", target="b")
    def move(self) -> None:
        self.moved_at = 1
"""


def celery_misuse(tree: ast.AST) -> Iterator[int]:
    """Lines with a delay, a retry, a canvas, a result, or a task called past the doorbell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (node.lineno for k in node.keywords if k.arg in KEYWORDS)
            if isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("celery"):
            yield from (node.lineno for a in node.names if a.name not in CELERY_NAMES)
        elif isinstance(node, ast.Import):
            yield from (node.lineno for a in node.names if a.name.startswith("celery"))


def tasks_of(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and _decorated(node, "shared_task"):
            yield node


def tasks_that_take_more_than_ids(tree: ast.AST) -> Iterator[int]:
    for task in tasks_of(tree):
        given = [*task.args.args, *task.args.kwonlyargs]
        plain = all(isinstance(a.annotation, ast.Name) and a.annotation.id == "str" for a in given)
        if not plain or task.args.vararg or task.args.kwarg:
            yield task.lineno


def signal_imports(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (node.lineno for a in node.names if a.name.startswith(SIGNALS))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(SIGNALS):
            yield node.lineno


def transitions_with_effects(tree: ast.AST) -> Iterator[int]:
    """A transition method declares; what happens with the change is the service's business."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and _decorated(node, "transition"):
            empty = [s for s in node.body if isinstance(s, ast.Expr)]
            if len(empty) != len(node.body) or not all(
                isinstance(s.value, ast.Constant) for s in empty
            ):
                yield node.lineno


def refreshes(tree: ast.AST) -> Iterator[int]:
    """On a protected state it fails, and with FSMModelMixin it keeps the old state silently."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "refresh_from_db":
            yield node.lineno


def unprotected_states(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "FSMField"
            and not any(
                k.arg == "protected" and getattr(k.value, "value", False) for k in node.keywords
            )
        ):
            yield node.lineno


def _decorated(node: ast.FunctionDef, name: str) -> bool:
    return any(
        isinstance(d, ast.Call) and isinstance(d.func, ast.Name) and d.func.id == name
        for d in node.decorator_list
    )


RULES = [
    celery_misuse,
    tasks_that_take_more_than_ids,
    signal_imports,
    transitions_with_effects,
    refreshes,
    unprotected_states,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_source_breaks_a_rule(rule):
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        for line in rule(ast.parse(path.read_text()))
    ]
    assert found == []


def test_every_rule_finds_its_breach():
    tree = ast.parse(BREACHES + '\nstate = FSMField(default="draft")\n')
    found = {rule.__name__: len(list(rule(tree))) for rule in RULES}
    assert found == {
        "celery_misuse": 9,
        "tasks_that_take_more_than_ids": 1,
        "signal_imports": 2,
        "transitions_with_effects": 1,
        "refreshes": 1,
        "unprotected_states": 1,
    }


def test_tasks_are_where_they_are_looked_for():
    elsewhere = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name != "tasks.py" and any(tasks_of(ast.parse(path.read_text())))
    ]
    assert elsewhere == []


def test_no_result_backend_and_no_pickle():
    from q2c.celery import app

    assert not app.conf.result_backend
    assert app.conf.task_ignore_result is True
    assert app.conf.task_serializer == "json"
    assert app.conf.accept_content == ["json"]
    assert all(task.ignore_result for name, task in app.tasks.items() if "celery." not in name)
