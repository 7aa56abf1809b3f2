import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack import supervisor as supervisor_module
from q2c.stack.children import Children
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.lock import StackLock
from q2c.stack.processes import PROCESSES, ProcessSpec
from q2c.stack.supervisor import Supervisor, choose_ports

# The standard library's file server answers 200 on / from the directory it runs in.
SERVER = ProcessSpec(
    "server", "-m http.server {port} --bind 127.0.0.1", 1, url_variable="SERVER_URL", probe="/"
)
SLEEPER = ProcessSpec("sleeper", "-c __import__('time').sleep(60)", 2, grace=1)
CRASHER = ProcessSpec("crasher", "-c raise(ValueError('out-of-luck'))", 2)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    lock = StackLock(tmp_path / "lock", "a test")
    lock.acquire()
    run, children = RunDirectory(tmp_path), Children(lock.descriptor)
    ports = choose_ports(run, [SERVER])
    yield Supervisor(run, children, dict(os.environ), ports)
    children.close()
    lock.release()


def test_phases_start_in_order_and_stop(supervisor: Supervisor) -> None:
    supervisor.start([SLEEPER, SERVER])
    assert list(supervisor.supervised) == ["server", "sleeper"]
    supervisor.check()
    supervisor.stop([SERVER, SLEEPER])
    assert supervisor.supervised == {}
    assert supervisor.children.started == []


def test_a_crash_names_the_process_and_shows_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start([SERVER, CRASHER])
    with pytest.raises(StackError) as crash:
        supervisor.watch()
    assert str(crash.value).startswith(
        "crasher ended with exit code 1, so everything was stopped."
    )
    assert "out-of-luck" in str(crash.value)


def test_a_process_that_never_answers_is_named(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "READY_SECONDS", 0.3)
    silent = ProcessSpec(
        "server", "-c __import__('time').sleep(60)", 1, "SERVER_URL", "/", grace=1
    )
    with pytest.raises(
        StackError, match=r"server did not answer http://127\.0\.0\.1:\d+/ with 200"
    ):
        supervisor.start([silent])


def test_a_task_gives_its_exit_code_and_a_crash_meanwhile_ends_it(supervisor: Supervisor) -> None:
    assert supervisor.run_task("task", [sys.executable, "-c", "raise SystemExit(4)"]) == 4
    supervisor.start([CRASHER])
    with pytest.raises(StackError, match="crasher ended"):
        supervisor.run_task("task", [sys.executable, "-c", "__import__('time').sleep(60)"])


def test_the_last_starts_log_is_kept_beside_the_new_one(supervisor: Supervisor) -> None:
    (supervisor.run.logs / "sleeper.log").write_text("of the last start")
    supervisor.start([SLEEPER])
    assert (supervisor.run.logs / "sleeper.log.1").read_text() == "of the last start"


def test_a_path_with_spaces_stays_one_argument(tmp_path: Path) -> None:
    folder = tmp_path / "with spaces"
    folder.mkdir()
    lock = StackLock(folder / "lock", "a test")
    children = Children(lock.descriptor)
    supervisor = Supervisor(RunDirectory(folder), children, dict(os.environ), {})
    code = "-c import(sys)".replace(
        "import(sys)", "__import__('sys').exit(len(__import__('sys').argv))"
    )
    supervisor.start([ProcessSpec("counter", f"{code} {{state}}", 1)])
    assert supervisor.supervised["counter"].process.wait() == 2
    children.close()
    lock.release()


def test_every_process_of_the_product_is_named_once() -> None:
    names = [spec.name for spec in PROCESSES]
    assert len(names) == len(set(names)) == 8
    variables = [spec.url_variable for spec in PROCESSES if spec.url_variable]
    assert sorted(variables) == [
        "HUB_URL",
        "SIM_NETSUITE_URL",
        "SIM_PROVISIONING_URL",
        "SIM_SALESFORCE_URL",
        "SIM_STRIPE_URL",
    ]
