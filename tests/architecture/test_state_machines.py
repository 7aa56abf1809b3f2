"""What the code declares is what the database enforces, and nothing goes past it."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django_fsm import FSMField

from apps.core.fsm import legal_pairs

ROOT = Path(__file__).parents[2] / "apps"


def _machines():
    return [
        model
        for config in apps.get_app_configs()
        if config.name.startswith("apps.")
        for model in config.get_models()
        if any(isinstance(field, FSMField) for field in model._meta.fields)
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("model", _machines(), ids=lambda model: model.__name__)
def test_the_trigger_knows_exactly_the_declared_pairs(model):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(tgargs, 'escape') FROM pg_trigger WHERE tgrelid = %s::regclass "
            "AND tgname LIKE '%%_state_%%'",
            [model._meta.db_table],
        )
        found = {row[0].removesuffix("\\000") for row in cursor.fetchall()}
    declared = ",".join(sorted(f"{a}>{b}" for a, b in legal_pairs(model)))
    assert {frozenset(f.split(",")) for f in found} == {frozenset(declared.split(","))}


def _calls(tree, name):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == name:
            yield node


def test_no_state_is_written_past_the_machine():
    bypasses = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in ROOT.rglob("*.py")
        if "simulators" not in path.parts and "migrations" not in path.parts
        for call in _calls(ast.parse(path.read_text()), "update")
        if any(keyword.arg == "state" for keyword in call.keywords)
    ]
    assert bypasses == []


def test_claims_of_inbound_events_are_left_through_the_fence():
    """REL-12: what is processed moves only by ``settle_rows``, which names the claim's epoch."""
    source = ast.parse((ROOT / "ingestion" / "services" / "process.py").read_text())
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    assert "settle_rows" in names
    assert not names & {"transition_rows", "transition_set"}
