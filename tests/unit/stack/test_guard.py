import os
import signal
import subprocess
import sys

from q2c.stack import guard

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)"
)


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def finish(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    process.stdout.close()
    return process.wait(5)


def test_only_children_without_an_end_are_still_running() -> None:
    assert guard.follow(iter(["+ 7 15\n", "+ 8 2\n", "- 7\n"])) == {8: 2}


def test_a_child_that_ignores_its_stop_signal_is_killed_after_the_grace_time() -> None:
    process = start(STUBBORN)
    guard.stop({process.pid: signal.SIGTERM}, grace=0.2)
    assert finish(process) == -signal.SIGKILL


def test_processes_are_found_by_the_mark_of_an_inner_or_an_outer_stack() -> None:
    process = start(
        "print('up', flush=True); import time; time.sleep(60)", Q2C_STACK_MARK="aa11 bb22"
    )
    try:
        assert list(guard.marked("aa11")) == [process.pid]
        assert list(guard.marked("bb22")) == [process.pid]
        assert list(guard.marked("bb2")) == []
    finally:
        guard.sweep("bb22")
    assert finish(process) == -signal.SIGKILL


def test_an_ended_process_does_not_exist() -> None:
    process = start("print('up')")
    finish(process)
    assert not guard.exists(process.pid)
