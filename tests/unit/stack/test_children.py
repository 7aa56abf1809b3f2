"""Real processes, no servers: what is started is also ended, whoever ends first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack import guard
from q2c.stack.children import Children, Conduct
from q2c.stack.lock import StackLock

SLEEP = "import time; time.sleep(60)"
# A child with two grandchildren: one that ignores TERM, one that left the session.
FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("up", flush=True)
time.sleep(60)
"""
LAUNCHER = f"""
import os, sys, time
from pathlib import Path
from q2c.stack.children import Children
from q2c.stack.lock import StackLock
lock = StackLock(Path(sys.argv[1]), "toy")
lock.acquire()
children = Children(lock.descriptor)
children.spawn("family", [sys.executable, "-c", {FAMILY!r}], dict(os.environ))
print(children.mark, flush=True)
time.sleep(60)
"""


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    lock = StackLock(tmp_path / "lock", "a test")
    lock.acquire()
    children = Children(lock.descriptor)
    yield children
    children.close()
    lock.release()


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"{text!r} never came"
        time.sleep(0.02)


def wait_until_gone(mark: str) -> None:
    deadline = time.monotonic() + 15
    while list(guard.marked(mark)):
        assert time.monotonic() < deadline, "processes were left"
        time.sleep(0.05)


def test_grandchildren_go_too(children: Children, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = children.spawn("family", [sys.executable, "-c", FAMILY], dict(os.environ), log)
    wait_for(log, "up")
    assert len(list(guard.marked(children.mark))) == 3
    children.stop([child])
    children.close()
    assert list(guard.marked(children.mark)) == []


def test_a_child_that_does_not_stop_is_killed_after_its_grace(
    children: Children, tmp_path: Path
) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    conduct = Conduct(grace=0.2)
    child = children.spawn(
        "stubborn", [sys.executable, "-c", stubborn], dict(os.environ), log, conduct
    )
    wait_for(log, "up")
    children.stop([child])
    assert child.process.returncode == -signal.SIGKILL
    assert children.started == []


def test_an_ended_child_is_noticed(children: Children) -> None:
    assert children.ended() is None
    alive = children.spawn("alive", [sys.executable, "-c", SLEEP], dict(os.environ))
    gone = children.spawn("gone", [sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ))
    gone.process.wait()
    assert children.ended() is gone
    assert alive.running


def test_nothing_outlives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    # The family's "up" and the mark come in either order.
    lines = {launcher.stdout.readline().strip() for _ in range(2)}
    (mark,) = lines - {"up"}
    assert len(list(guard.marked(mark))) == 3
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    wait_until_gone(mark)
    again = StackLock(tmp_path / "lock", "the next start")
    again.acquire()
    again.release()
