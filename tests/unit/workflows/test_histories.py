"""Recorded runs replay identically on this code, or the code is refused (REL-22, I7)."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apps.workflows import definitions  # noqa: F401 - fills the registry
from apps.workflows.definition import Definition, Done, StepForm
from apps.workflows.history import (
    History,
    RecordedStep,
    from_document,
    pack,
    replay,
    state_hash_of,
    unpack,
)
from apps.workflows.registry import all_definitions, definition_of

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = sorted((ROOT / "tests" / "golden" / "workflows").glob("*.json"))


def golden(path: Path) -> History:
    return from_document(json.loads(path.read_text()))


def mine(history: History) -> Definition:
    return definition_of(history.definition, history.version)


def changed(definition: Definition, name: str, **values) -> Definition:
    """The definition as somebody changed it, under its old version."""
    steps = tuple(
        replace(step, **values) if step.name == name else step for step in definition.steps
    )
    return replace(definition, steps=steps)


def test_every_workflow_has_a_golden_history() -> None:
    recorded = {(h.definition, h.version) for h in map(golden, GOLDEN)}
    assert recorded >= {(d.name, d.version) for d in all_definitions()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_history_replays_identically(path: Path) -> None:
    history = golden(path)
    assert history.state_hash
    assert sum(bool(step.command_hash) for step in history.steps) >= 5
    assert replay(mine(history), history) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_step_that_decides_otherwise_is_found(path: Path) -> None:
    history = golden(path)
    decided = [step.name for step in history.steps if step.command_hash]
    for name in decided:
        other = changed(mine(history), name, decide=lambda facts: Done({"other": "path"}))
        assert [d.step for d in replay(other, history)] == [name]


def test_a_changed_amount_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper behind a step counts like the step itself."""
    history = golden(next(p for p in GOLDEN if p.stem.startswith("order_activation")))
    from apps.workflows.definitions import order_activation

    monkeypatch.setattr(order_activation, "billing_parts", lambda lines, taxed: [])
    assert [d.step for d in replay(mine(history), history)] == ["subscription"]


def test_an_undo_that_decides_otherwise_is_found() -> None:
    history = golden(next(p for p in GOLDEN if p.stem.endswith("order_activation-1-compensated")))
    other = changed(mine(history), "provision", undo=lambda facts: Done())
    [found] = replay(other, history)
    assert (found.step, found.what.partition(":")[0]) == ("provision", "is undone otherwise")


def test_code_that_fails_is_another_path() -> None:
    history = golden(GOLDEN[0])

    def fails(facts):
        raise ZeroDivisionError("no")

    name = history.steps[0].name
    [found] = replay(changed(mine(history), name, decide=fails), history)
    assert "ZeroDivisionError" in found.what


def test_other_steps_are_another_path() -> None:
    history = golden(GOLDEN[0])
    definition = mine(history)
    more = replace(definition, steps=(*definition.steps, StepForm("new", lambda f: Done())))
    assert len(replay(more, history)) == 1


def test_an_altered_result_is_found_by_the_final_state() -> None:
    history = golden(next(p for p in GOLDEN if p.stem == "invoice_posting-1-completed"))
    steps = [
        replace(s, output={**s.output, "external_id": "999"}) if s.name == "revenue_in_erp" else s
        for s in history.steps
    ]
    [found] = replay(mine(history), replace(history, steps=steps))
    assert found.what == "the final state's hash is another one"


def test_facts_that_were_altered_or_lost_are_found() -> None:
    history = golden(GOLDEN[0])
    lost = replay(mine(history), replace(history, facts={}))
    assert {d.step for d in lost} == {s.name for s in history.steps if s.command_hash}
    key = next(iter(history.facts))
    altered = {**history.facts, key: {**history.facts[key], "currency": "XTS"}}
    assert replay(mine(history), replace(history, facts=altered)) != []


def test_facts_come_back_as_they_were_and_only_those() -> None:
    facts = {"order": {"net": "1.10", "n": 3, "lines": [{"a": None}, {"b": True}]}}
    digest, packed = pack(facts)
    assert unpack(digest, packed) == facts
    with pytest.raises(ValueError, match="not those"):
        unpack("0" * 64, packed)


def test_the_state_hash_covers_every_word_of_a_step() -> None:
    step = RecordedStep("a", "succeeded", "1", "2", "", {"n": "1"})
    known = state_hash_of("d", 1, "s", [step])
    for other in (
        replace(step, state="skipped"), replace(step, input_hash="3"),
        replace(step, command_hash="3"), replace(step, undo_hash="3"),
        replace(step, output={"n": "2"}),
    ):  # fmt: skip
        assert state_hash_of("d", 1, "s", [other]) != known
    assert state_hash_of("d", 2, "s", [step]) != known


PROGRAM = """
import json, pathlib, random, sys, time
import django; django.setup()
random.seed(int(sys.argv[1]))
moment = time.time
time.time = lambda: moment() + float(sys.argv[1]) * 86_400
from apps.workflows import definitions
from apps.workflows.fingerprint import fingerprint_of
from apps.workflows.history import from_document, replay
from apps.workflows.registry import all_definitions, definition_of
for path in sorted(pathlib.Path("tests/golden/workflows").glob("*.json")):
    history = from_document(json.loads(path.read_text()))
    definition = definition_of(history.definition, history.version)
    print(path.stem, replay(definition, history))
print([fingerprint_of(d) for d in all_definitions()])
"""


def test_another_clock_seed_and_hash_order_decide_the_same() -> None:
    """REL-23, the running half; tests/architecture holds the reading half."""

    def run(seed: str, zone: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone,
                       "DJANGO_SETTINGS_MODULE": "q2c.settings"}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, seed], cwd=ROOT, env=environment, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    first, second = run("1", "Asia/Tokyo"), run("4000", "America/New_York")
    assert first == second
    assert first.count("[]") == len(GOLDEN)
