"""The embedded PostgreSQL: initialise once, start, wait until it answers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from q2c.stack.account import ServerAccount
from q2c.stack.binaries import find_postgres
from q2c.stack.children import Child, Children, Conduct
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.terminal import log_tail

SUPERUSER = "postgres"
START_SECONDS = 30.0
# A crash of the machine may lose a test's data, never the demo's.
FAST_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class PostgresServer:
    """A running server, reachable through the socket in a private directory; `programs` holds psql
    and pg_dump.
    """

    socket_directory: Path
    programs: Path
    version: str

    def url(self, role: str, database: str) -> str:
        """A connection URL for the role; the socket's directory is private, so no password is
        needed.
        """
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_directory), safe='')}"


def start_postgres(run: RunDirectory, children: Children, *, durable: bool) -> PostgresServer:
    """Start the server of a run directory, creating its cluster on first use; raises StackError
    with the log's end.
    """
    account = ServerAccount.for_this_process()
    home = run.postgres_home(account)
    programs = find_postgres(account, home)
    version = _version(programs, account)
    # The major version is in the name: a later server cannot read this one's files.
    data = home / f"data{version.split('.')[0]}"
    if not (data / "PG_VERSION").exists():
        _initialise(programs, data, account, int(version.split(".")[0]))
    _end_leftover(data)
    server = PostgresServer(run.socket_directory(home, account), programs, version)
    log = run.logs / "postgres.log"
    # SIGINT is the fast shutdown; SIGTERM would wait for every client.
    conduct = Conduct(Path("/"), stop_signal=signal.SIGINT, grace=20, identity=account.identity)
    command = _command(server, data, durable=durable)
    child = children.spawn("postgres", command, _clean_environment(), log, conduct)
    _wait_until_ready(server, child, log)
    return server


def _version(programs: Path, account: ServerAccount) -> str:
    """Such as 18.6; run by the account itself, which proves that it can."""
    try:
        answer = subprocess.run(
            [programs / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            **account.identity,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"PostgreSQL in {programs} does not run: {error}") from error
    return answer.stdout.split()[2]


def _initialise(programs: Path, data: Path, account: ServerAccount, major: int) -> None:
    # The builtin provider knows Unicode case whatever locales the machine has; older servers take
    # it from the system.
    builtin = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    locale = builtin if major >= 17 else ("--locale=C.UTF-8",)
    draft = data.with_name("initialising")
    shutil.rmtree(draft, ignore_errors=True)
    done = subprocess.run(
        [
            programs / "initdb",
            "-D",
            draft,
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            *locale,
            "--no-sync",
        ],
        capture_output=True,
        text=True,
        env=_clean_environment(),
        cwd="/",
        **account.identity,
    )
    if done.returncode:
        raise StackError(
            f"PostgreSQL could not create its files in {data.parent}:\n{done.stderr.strip()}"
        )
    draft.rename(data)


def _command(server: PostgresServer, data: Path, *, durable: bool) -> list[str | Path]:
    settings = (
        "listen_addresses=",
        f"unix_socket_directories={server.socket_directory}",
        "unix_socket_permissions=0700",
        "port=5432",
        "max_connections=100",
        "shared_buffers=128MB",
        "shared_preload_libraries=pg_stat_statements",
        *(() if durable else FAST_SETTINGS),
    )
    command: list[str | Path] = [server.programs / "postgres", "-D", data]
    for setting in settings:
        command += ["-c", setting]
    return command


def _clean_environment() -> dict[str, str]:
    """Ours without PG* variables, which would change what the server or a client does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _end_leftover(data: Path) -> None:
    """End a server that outlived launcher and guard: we hold the lock, so it is nobody's."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        if Path(f"/proc/{pid}/cwd").resolve() != data:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + START_SECONDS
        while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)


def _wait_until_ready(server: PostgresServer, child: Child, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not child.running:
            raise StackError(f"PostgreSQL ended at once. Its log {log} says:\n{log_tail(log)}")
        try:
            psycopg.connect(server.url(SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.03)
        else:
            return
    raise StackError(
        f"PostgreSQL did not answer within {START_SECONDS:.0f} s. "
        f"Its log {log} says:\n{log_tail(log)}"
    )
