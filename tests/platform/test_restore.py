"""Backup, restore and replay reach the same state (REL-58): the recipe of docs/operations.md."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from q2c.stack.account import ServerAccount
from q2c.stack.binaries import find_postgres
from tests.factories.world import build_world
from tests.platform.rig import ROOT, wait_for
from tests.platform.work import owe

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
ORDER BY 1
"""
_HASH = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
MORE_WORK = "from tests.platform.work import owe; owe(40)"
REPLAY = """
import datetime as dt
from apps.events.services import dispatch_events
from tests.platform.work import is_done
from apps.events.models import Event
dispatch_events(now=dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC))
assert is_done(Event.objects.order_by("-id").first().id), "events are still unread"
"""


class Server:
    """A PostgreSQL with its own files; every WAL segment it fills is kept in ``archive``."""

    def __init__(self, home: Path, name: str) -> None:
        self.account = ServerAccount.for_this_process()
        self.programs = find_postgres(self.account, home)
        self.home, self.data, self.archive = home, home / name, home / "archive"
        self.sockets = home / f"{name}-socket"
        for folder in (self.archive, self.sockets):
            folder.mkdir(exist_ok=True)
            self.account.give(folder)

    def run(self, program: str, *words: str, **options: str) -> str:
        done = subprocess.run(
            [self.programs / program, *words], cwd="/", capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "PGHOST": str(self.sockets), "PGUSER": "postgres"},
            check=False, **self.account.identity,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def initialise(self) -> None:
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", *locale)

    def start(self) -> None:
        settings = (
            f"-c listen_addresses= -c unix_socket_directories={self.sockets} -c archive_mode=on "
            f"-c archive_command='cp %p {self.archive}/%f'"
        )
        log = str(self.home / f"{self.data.name}.log")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-o", settings, "-w", "start")

    def stop(self, how: str) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def url(self, database: str = "q2c") -> str:
        return make_conninfo(host=str(self.sockets), user="postgres", dbname=database)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(), autocommit=True) as link:
            return link.execute(query.encode()).fetchall()

    def hub(self, code: str) -> None:
        """Run a piece of the hub on this server."""
        environment = {**os.environ, "Q2C_ENV": "test", "DATABASE_URL": self.url()}
        words = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def state(self) -> dict[str, str]:
        """Table → hash over all of its rows."""
        hashes = {}
        for (table,) in self.ask(_TABLES):
            hashes[str(table)] = str(self.ask(_HASH.format(table))[0][0])
        return hashes


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="q2c-restore-", dir="/var/tmp"))
    ServerAccount.for_this_process().give(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(home: Path, transactional_db: None) -> Iterator[Server]:
    """A server with a small company group on it, and work that is owed."""
    build_world(cases=12)
    owe(40)
    server = Server(home, "original")
    server.initialise()
    server.start()
    _copy_test_database(server)
    yield server
    server.stop("immediate")


def _copy_test_database(server: Server) -> None:
    file = server.home / "dump"
    parts = connection.settings_dict
    source = make_conninfo(os.environ["DATABASE_URL"], dbname=parts["NAME"])
    dump = [str(server.programs / "pg_dump"), "-Fc", "-f", str(file), source]
    subprocess.run(dump, check=True, capture_output=True, cwd="/")
    file.chmod(0o644)
    for role in ("q2c_owner", "q2c_app"):
        server.run("psql", "-c", f"CREATE ROLE {role} SUPERUSER", "postgres")
    server.run("createdb", "q2c")
    server.run("pg_restore", "-d", "q2c", str(file))


@pytest.mark.platform
@pytest.mark.timeout(600)
def test_base_backup_and_archive_bring_back_what_was_committed(server: Server, home: Path):
    server.run("pg_basebackup", "-D", str(home / "restored"), "-c", "fast", "-X", "none")
    server.hub(MORE_WORK)  # after the backup: only the archived log has it
    server.ask("SELECT pg_switch_wal()")
    wait_for(lambda: _all_archived(server), 20, "the archive")
    meant = server.state()
    server.stop("immediate")

    restored = Server(home, "restored")
    with (restored.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {restored.archive}/%f %p'\n")
    (restored.data / "recovery.signal").touch()
    begun = time.monotonic()
    restored.start()
    wait_for(lambda: not restored.ask("SELECT pg_is_in_recovery()")[0][0], 30, "recovery")
    print(f"\nrestored in {time.monotonic() - begun:.1f} s: {len(meant)} tables")
    try:
        assert restored.state() == meant
        restored.hub(REPLAY)
        replayed = restored.state()
    finally:
        restored.stop("fast")
    server.start()
    server.hub(REPLAY)
    assert server.state() == replayed
    assert replayed["events_cursor"] != meant["events_cursor"]


def _all_archived(server: Server) -> bool:
    query = (
        "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024) "
        "FROM pg_stat_archiver"
    )
    return bool(server.ask(query)[0][0])
