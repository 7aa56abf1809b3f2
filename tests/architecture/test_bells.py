"""Every bell has a task, every heard event is published, and no message is delayed."""

import ast
import re
from pathlib import Path

import pytest

import q2c.celery
from apps.events.registry import all_subscribers

ROOT = Path(__file__).parents[2] / "apps"
SOURCES = [
    path
    for path in ROOT.rglob("*.py")
    if "simulators" not in path.parts and "migrations" not in path.parts
]


def _rung() -> dict[str, set[str]]:
    """Task → the queues it is rung on, as they are written."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("enqueue", "enqueue_on_commit")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                queues = [ast.unparse(k.value) for k in node.keywords if k.arg == "queue"]
                queue = queues[0].removeprefix("services.") if queues else "default"
                found.setdefault(str(node.args[0].value), set()).add(queue)
    return found


def test_every_bell_has_its_task():
    q2c.celery.app.loader.import_default_modules()
    assert set(_rung()) - set(q2c.celery.app.tasks) == set()


def test_a_task_is_rung_on_one_queue():
    """A bell on another queue waits behind what its own was made to get past."""
    assert {task: queues for task, queues in _rung().items() if len(queues) > 1} == {}


def test_heard_events_are_published_somewhere():
    text = "\n".join(path.read_text() for path in SOURCES if path.name != "subscribers.py")
    quoted = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', text))
    built = set(re.findall(r'f"([a-z_]+)\.\{', text))
    unheard = {
        kind
        for subscriber in all_subscribers()
        for kind in subscriber.types
        if kind not in quoted and kind.split(".")[0] not in built
    }
    assert unheard == set()


@pytest.mark.parametrize("word", ["eta", "countdown"])
def test_no_delayed_messages(word):
    found = [
        f"{path.relative_to(ROOT)}:{node.value.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == word
    ]
    assert found == []
