"""Failpoints: off by default, armed by a file, counted across processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.core import failpoints
from apps.core.failpoints import ArmingFile, FailpointError, armed, failpoint, read_rules
from q2c.environment import refuse_failpoints

ROOT = Path(__file__).parents[3]
POINT = "posting.after_send"
HIT = f"from apps.core.failpoints import failpoint; failpoint('{POINT}'); print('went on')"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "armed.json"


def arm(file: Path, *rules: dict[str, object], seed: int = 1) -> None:
    file.write_text(json.dumps({"seed": seed, "rules": rules}))


def fired(file: Path) -> list[dict[str, object]]:
    log = Path(f"{file}.fired")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def start(file: Path, switch: str = "1") -> "subprocess.Popen[str]":
    env = {**os.environ, failpoints.SWITCH: switch, failpoints.FILE: str(file)}
    return subprocess.Popen(
        [sys.executable, "-c", HIT], cwd=ROOT, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_off_unless_armed():
    assert failpoints._handler is None
    failpoint(POINT)


def test_a_file_without_the_switch_arms_nothing(file):
    arm(file, {"point": POINT, "action": "kill"})
    process = start(file, switch="0")
    assert process.communicate()[0] == "went on\n"
    assert fired(file) == []


def test_a_kill_happens_once_over_all_processes(file):
    arm(file, {"id": "k1", "point": POINT, "action": "kill", "count": 1})
    first = start(file)
    first.communicate()
    second = start(file)
    assert (first.returncode, second.communicate()[0]) == (-signal.SIGKILL, "went on\n")
    assert [(f["id"], f["point"], f["action"], f["pid"]) for f in fired(file)] == [
        ("k1", POINT, "kill", first.pid)
    ]


def test_a_stop_with_seconds_wakes_by_itself(file):
    arm(file, {"point": POINT, "action": "stop", "seconds": 0.5})
    begun = time.monotonic()
    assert start(file).communicate()[0] == "went on\n"
    assert time.monotonic() - begun >= 0.5


def test_a_change_of_the_file_counts_at_once(file):
    handler = ArmingFile(file)
    handler(POINT)
    arm(file, {"id": "a", "point": POINT, "action": "raise", "count": 5})
    with pytest.raises(FailpointError):
        handler(POINT)
    arm(file, {"id": "b", "point": "seal.before_commit", "action": "raise", "count": 5}, seed=77)
    handler(POINT)
    file.unlink()
    handler("seal.before_commit")
    assert [f["id"] for f in fired(file)] == ["a"]


def test_skip_and_count_and_the_next_rule(file):
    handler = ArmingFile(file)
    arm(file, {"id": "a", "point": POINT, "action": "raise", "skip": 2, "count": 1},
        {"id": "b", "point": POINT, "action": "raise", "skip": 3})  # fmt: skip
    outcomes = [_passes(handler) for _ in range(6)]
    assert outcomes == [True, True, False, True, False, True]
    assert [f["id"] for f in fired(file)] == ["a", "b"]


def _passes(handler: ArmingFile) -> bool:
    try:
        handler(POINT)
    except FailpointError:
        return False
    return True


def test_chance_follows_the_seed(file):
    def draws(seed: int) -> list[bool]:
        handler = ArmingFile(file)
        arm(file, {"id": str(seed), "point": POINT, "action": "raise", "count": 99,
                   "probability": 0.5}, seed=seed)  # fmt: skip
        return [_passes(handler) for _ in range(40)]

    first, again, other = draws(1), draws(1), draws(2)
    assert first == again
    assert first != other
    assert 5 < sum(first) < 35


@pytest.mark.parametrize(
    "rule",
    [
        {"point": "posting.after_lunch", "action": "kill"},
        {"point": POINT, "action": "explode"},
        {"point": POINT, "action": "kill", "colour": "red"},
    ],
)
def test_a_wrong_file_is_refused_and_says_so(file, rule):
    with pytest.raises((ValueError, TypeError)):
        read_rules(json.dumps({"rules": [rule]}))
    arm(file, rule)
    ArmingFile(file)(POINT)
    assert [list(f) for f in fired(file)] == [["at", "error"]]


def test_a_handler_holds_only_while_armed():
    seen: list[str] = []
    with armed(lambda name, about: seen.append(name + about)):
        failpoint(POINT)
        failpoint(POINT, " of an invoice")
    failpoint(POINT)
    assert seen == [POINT, f"{POINT} of an invoice"]


def test_a_rule_about_one_operation_lets_others_pass(file):
    handler = ArmingFile(file)
    arm(file, {"point": POINT, "action": "raise", "about": ["invoice.create"], "skip": 1})
    assert _passes(handler)
    handler(POINT, "customer.update")
    handler(POINT, "invoice.create")  # the one that is skipped
    handler(POINT, "customer.update")
    with pytest.raises(FailpointError):
        handler(POINT, "invoice.create")


def test_production_refuses_the_switch(monkeypatch):
    monkeypatch.setenv(failpoints.SWITCH, "1")
    with pytest.raises(ImproperlyConfigured, match="Q2C_FAILPOINTS"):
        refuse_failpoints("production")
    refuse_failpoints("demo")
    monkeypatch.delenv(failpoints.SWITCH)
    refuse_failpoints("production")
