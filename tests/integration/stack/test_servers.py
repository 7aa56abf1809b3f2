"""The launcher as people use it: its command line, with real servers, from the outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack import guard
from q2c.stack.layout import REPOSITORY, RunDirectory

# What an outer launcher or a developer has set would switch the embedded servers off.
OUTSIDE = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "Q2C_STACK_DIR")

ROLES = """
import os, psycopg
owner = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
owner.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS btree_gist")
owner.execute("CREATE TABLE thing (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
owner.execute("CREATE DATABASE copy")
app = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
app.execute("INSERT INTO thing (name) VALUES ('Énergie')")
print("rows", app.execute("SELECT count(*) FROM thing WHERE name ILIKE 'é%'").fetchone()[0])
for statement in ("DROP TABLE thing", "CREATE TABLE mine (id int)", "CREATE DATABASE other"):
    try:
        app.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        print("refused", statement)
with psycopg.connect(os.environ["DATABASE_OWNER_URL"], dbname="copy") as copy:
    copy.execute("CREATE TABLE thing (id bigint)")
with psycopg.connect(os.environ["DATABASE_URL"], dbname="copy") as copy:
    copy.execute("INSERT INTO thing VALUES (1)")
    print("tests' databases too")
"""
WAITING = """
import os, time
print(os.environ["Q2C_STACK_MARK"].split()[-1], flush=True)
time.sleep(60)
"""
KEEP = """
import os, psycopg
owner = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
owner.execute("CREATE TABLE kept ()")
raise SystemExit(7)
"""
LOOK = """
import os, psycopg
psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT FROM kept")
"""
SHOW = """
import os
print(os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"], os.environ["REDIS_URL"])
"""


@pytest.fixture(autouse=True)
def clean_up(tmp_path: Path) -> Iterator[None]:
    """As root the servers' files lie outside the private folders that tests get."""
    yield
    RunDirectory(tmp_path).wipe()


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OUTSIDE}


def command(directory: Path, code: str) -> list[str]:
    launcher = [sys.executable, "-m", "q2c.stack", "--dir", str(directory)]
    return [*launcher, "exec", "--", sys.executable, "-c", code]


def run(
    directory: Path, code: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(directory, code), env=environment, cwd=REPOSITORY, capture_output=True, text=True
    )


@pytest.fixture
def waiting(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A launcher with both servers and a command that does not end by itself."""
    launcher = subprocess.Popen(
        command(tmp_path, WAITING),
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        # Under nohup a hang-up is ignored, which children inherit and the launcher respects.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    yield launcher
    launcher.kill()
    launcher.communicate()


def mark_of(launcher: subprocess.Popen[str]) -> str:
    assert launcher.stdout is not None
    return launcher.stdout.readline().strip()


def seconds_until_gone(mark: str) -> float:
    started = time.monotonic()
    while list(guard.marked(mark)):
        assert time.monotonic() - started < 15, "processes were left"
        time.sleep(0.05)
    return time.monotonic() - started


def test_the_application_role_owns_nothing_in_any_database(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = run(tmp_path, ROLES, environment)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "rows 1",
            "refused DROP TABLE thing",
            "refused CREATE TABLE mine (id int)",
            "refused CREATE DATABASE other",
            "tests' databases too",
        ],
    ), done.stderr


def test_the_commands_exit_code_is_ours_and_data_stays(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert run(tmp_path, KEEP, environment).returncode == 7
    assert run(tmp_path, LOOK, environment).returncode == 0


def test_running_servers_named_by_the_environment_are_used_instead(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    named = {
        "DATABASE_URL": "postgresql://db.example/hub",
        "REDIS_URL": "redis://broker.example/1",
    }
    done = run(tmp_path, SHOW, {**environment, **named})
    assert done.stdout.split() == [
        named["DATABASE_URL"],
        named["DATABASE_URL"],
        named["REDIS_URL"],
    ]
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize(
    ("signum", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_stops_everything_before_the_launcher_ends(
    waiting: subprocess.Popen[str], signum: signal.Signals, status: int
) -> None:
    mark = mark_of(waiting)
    assert len(list(guard.marked(mark))) >= 2
    waiting.send_signal(signum)
    assert waiting.wait(40) == status
    assert list(guard.marked(mark)) == []


def test_kill_9_leaves_no_process_and_the_next_start_works(
    waiting: subprocess.Popen[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    mark = mark_of(waiting)
    waiting.kill()
    waiting.wait()
    assert run(tmp_path, "print('again')", environment).stdout == "again\n"
    assert seconds_until_gone(mark) < 10


def test_a_second_start_says_who_runs(
    waiting: subprocess.Popen[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    mark_of(waiting)
    second = run(tmp_path, "print('never')", environment)
    assert second.returncode == 1
    assert second.stdout == ""
    assert f"(process {waiting.pid}, since" in second.stderr


def test_an_unknown_command_is_said_plainly(tmp_path: Path, environment: dict[str, str]) -> None:
    named = {"DATABASE_URL": "postgresql:///x", "REDIS_URL": "redis://x"}
    launcher = [
        sys.executable,
        "-m",
        "q2c.stack",
        "--dir",
        str(tmp_path),
        "exec",
        "--",
        "/no/such",
    ]
    done = subprocess.run(
        launcher, env={**environment, **named}, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        1,
        "\nCannot run /no/such: No such file or directory.\n",
    )
