"""A worker that lives and consumes nothing is found by its beats and started anew (REL-19)."""

import os
import signal
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from apps.jobs.services import beat
from q2c.stack import supervisor as supervising
from q2c.stack.children import Children
from q2c.stack.layout import RunDirectory
from q2c.stack.liveness import Liveness, read_ages
from q2c.stack.lock import StackLock
from q2c.stack.processes import ProcessSpec
from tests.platform.rig import WORKER, Hub, wait_for
from tests.platform.work import is_heard

PATIENCE = 20.0
SPEC = ProcessSpec("worker", f"{WORKER} -n worker@%h -Q default -c 2", 1, grace=3.0, beats=True)


@pytest.mark.platform
@pytest.mark.timeout(240)
def test_a_blocked_consumer_is_started_anew_and_meanwhile_work_goes_on(hub: Hub, tmp_path: Path):
    """The supervisor of the embedded stack, with less patience than it has in earnest."""
    lock = StackLock(tmp_path / "lock", "a test")
    lock.acquire()
    children = Children(lock.descriptor)
    stack = supervising.Supervisor(RunDirectory(tmp_path), children, hub.environment, {})
    stack.liveness = Liveness(
        lambda: read_ages(hub.environment["DATABASE_URL"]), patience=PATIENCE
    )
    try:
        hub.scheduler()
        stack.start([SPEC])
        wait_for(is_heard, 40, "the worker")
        stack.revive()
        first = stack.supervised["worker"].process.pid
        os.kill(first, signal.SIGSTOP)  # alive, and deaf
        begun = time.monotonic()
        while stack.supervised["worker"].process.pid == first:
            stack.revive()
            assert time.monotonic() - begun < 4 * PATIENCE
            time.sleep(1)
        found = time.monotonic() - begun
        heard = wait_for(is_heard, 40, "the new worker")
        print(f"\nzombie found after {found:.0f} s, the new one consumed {heard:.1f} s later")
    finally:
        children.close()
        lock.release()


def health(*words: str) -> str:
    out = StringIO()
    call_command("worker_health", "worker@here", *words, stdout=out)
    return out.getvalue()


def age(worker: str, seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_heartbeat SET beat_at = clock_timestamp() - make_interval(secs => %s) "
            "WHERE worker = %s",
            [seconds, worker],
        )


@pytest.mark.django_db
def test_a_worker_that_began_a_task_lately_is_healthy():
    beat("worker@here:default", "default")
    assert "began a task 0 s ago" in health()


@pytest.mark.django_db
def test_a_silent_worker_is_ill_only_while_it_is_rung_for():
    beat("worker@here:default", "default")
    age("worker@here:default", 300)
    assert "was not rung for lately" in health()
    beat("bells:scheduler", "bells")
    with pytest.raises(SystemExit, match="1"):
        health()
    assert "began a task 300 s ago" in health("--seconds", "400")


@pytest.mark.django_db
def test_a_worker_that_never_began_a_task_is_ill_when_it_is_rung_for():
    beat("bells:scheduler", "bells")
    with pytest.raises(SystemExit, match="1"):
        health()


def test_a_database_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch):
    from django.db import OperationalError

    def fail(_: str) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("apps.api.management.commands.worker_health.age_of_worker", fail)
    with pytest.raises(CommandError, match="The database does not answer"):
        health()
