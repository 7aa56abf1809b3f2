import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack import lock as lock_module
from q2c.stack.errors import StackError
from q2c.stack.lock import StackLock

HOLD = """
import sys, time
from pathlib import Path
from q2c.stack.lock import StackLock
StackLock(Path(sys.argv[1]), "make demo").acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def test_a_second_start_names_the_process_and_what_to_do(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StackError) as refusal:
        StackLock(tmp_path / "lock", "make demo").acquire()
    message = str(refusal.value)
    assert message.startswith(f"Already running: make demo (process {holder.pid}, since ")
    assert f"`kill {holder.pid}`" in message
    assert str(tmp_path) in message


def test_the_lock_is_free_once_its_holder_was_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    second = StackLock(tmp_path / "lock", "make demo")
    second.acquire()
    second.release()


def test_a_lock_held_for_a_dead_launcher_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "LEFTOVER_SECONDS", 0.3)
    monkeypatch.setattr(lock_module, "_alive", lambda _pid: False)
    first = StackLock(tmp_path / "lock", "make demo")
    first.acquire()
    with pytest.raises(StackError, match="Already running"):
        StackLock(tmp_path / "lock", "make test").acquire()
    first.release()


def test_the_lock_file_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        StackLock(tmp_path / "lock", "make demo").release()
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
