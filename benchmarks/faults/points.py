"""Faults at named places of the product (its failpoints), armed by a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.conductor import Scene, Strike
from benchmarks.faults.processes import LONGEST_CLAIM, LONGEST_STOP
from benchmarks.faults.traces import LEAVES

PATIENCE = 30.0  # how long an armed place waits for somebody to pass: an outage met may hold all
ACTIONS = {"kill": "kill", "cut": "drop"}
# Who is about to send is struck with what leaves a trace of its own: of a customer that is lost
# here no ledger would tell that it was absent.
ABOUT = {"posting.after_sending_before_send": tuple(LEAVES)}


def strike_at_point(scene: Scene) -> Iterator[float]:
    """Kill the next processes that pass a place, or cut their connection there."""
    action = ACTIONS[scene.what["kind"].partition("-")[0]]
    count = scene.chance.randint(1, 2)
    yield from _armed(scene, action, count)


def kill_while_undoing(scene: Scene) -> Iterator[float]:
    """People take back two invoices more, and whoever passes a place meanwhile is killed."""
    scene.returns.more += 2
    waited = 0.0
    while waited < PATIENCE and scene.returns.undoing() <= 0:
        yield 0.1
        waited += 0.1
    scene.notes["undoing"] = scene.returns.undoing()
    yield from _armed(scene, "kill", 2)


def stop_at_point(scene: Scene) -> Iterator[float]:
    """Freeze the next process that passes a place until its lease is over and taken; then it
    wakes with an answer in its hands that is no longer its own."""
    yield from _armed(scene, "stop", 1)
    pids = [int(line["pid"]) for line in scene.notes["fired"]]
    left = scene.hub.lease_left(pids) if pids else 0.0
    scene.notes["lease_left_s"] = round(left, 1)
    if pids:
        yield min(LONGEST_STOP, max(LONGEST_CLAIM, left + 2.0))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _armed(scene: Scene, action: str, count: int) -> Iterator[float]:
    """Arm, wait until it fired as often as asked or nobody comes any more, disarm."""
    key = f"f{scene.chance.randrange(2**48):012x}"
    point = scene.what["point"]
    rule = {"id": key, "point": point, "about": ABOUT.get(point, ()), "action": action,
            "count": count, "probability": 0.7, "skip": scene.chance.randint(0, 1)}  # fmt: skip
    file, armed = scene.stack.failpoint_file, scene.stack.armed
    armed[key] = rule
    _write(file, scene.stack.seed, armed)
    waited = 0.0
    while waited < PATIENCE and len(firings(file, key)) < count:
        yield 0.2
        waited += 0.2
    del armed[key]
    _write(file, scene.stack.seed, armed)
    scene.notes["fired"] = firings(file, key)


def _write(file: Path, seed: int, armed: dict[str, dict[str, Any]]) -> None:
    """Arm exactly these: two faults that meet share the file."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps({"seed": seed, "rules": list(armed.values())}))
    draft.replace(file)


def firings(file: Path, key: str = "") -> list[dict[str, Any]]:
    """What fired, from the product's own log; all of it without a key."""
    log = Path(f"{file}.fired")
    if not log.exists():
        return []
    lines = [json.loads(line) for line in log.read_text().splitlines() if line]
    return [line for line in lines if "id" in line and key in ("", line["id"])]


POINT_STRIKES: dict[str, Strike] = {
    "kill-before-send": strike_at_point,
    "kill-after-send": strike_at_point,
    "kill-before-commit": strike_at_point,
    "kill-after-commit": strike_at_point,
    "cut-before-commit": strike_at_point,
    "kill-while-undoing": kill_while_undoing,
    "stop-at-point": stop_at_point,
}
