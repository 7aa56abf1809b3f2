"""What carries messages and rows is pinned exactly: a floating one once changed under us."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PINNED = ("celery", "kombu", "redis", "billiard", "vine", "psycopg", "amqp")
# amqp is kombu's own need; the others are named by us.
NAMED = tuple(name for name in PINNED if name != "amqp")


def pins(text: str) -> dict[str, str]:
    """Name → exact version of each locked requirement."""
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", ["base.lock", "dev.lock"])
def test_the_lock_pins_them_with_hashes(lock: str):
    text = (REQUIREMENTS / lock).read_text()
    found = pins(text)
    for name in PINNED:
        assert re.fullmatch(r"\d+(\.\d+)+", found[name]), name
        block = text.split(f"\n{name}==")[1].split("\n\n")[0]
        assert "--hash=sha256:" in block.split("==")[0], name


def test_both_locks_agree():
    base, dev = (pins((REQUIREMENTS / f"{n}.lock").read_text()) for n in ("base", "dev"))
    assert {n: base[n] for n in PINNED} == {n: dev[n] for n in PINNED}


def test_they_are_asked_for_exactly():
    asked = pins((REQUIREMENTS / "base.in").read_text())
    locked = pins((REQUIREMENTS / "base.lock").read_text())
    assert {n: asked[n] for n in NAMED} == {n: locked[n] for n in NAMED}
