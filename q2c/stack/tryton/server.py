"""Running Tryton: from the lock to a server that has proved it answers a login."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from q2c.stack.children import Child
from q2c.stack.errors import StackError
from q2c.stack.ports import random_free_port
from q2c.stack.postgres import SUPERUSER, PostgresServer, start_postgres
from q2c.stack.session import Session, session
from q2c.stack.terminal import log_tail, say, stage
from q2c.stack.tryton.database import DATABASE, Builder
from q2c.stack.tryton.packages import install_packages

# Where a running server's address is written for the tests; removed when it stops.
SERVER_FILE = "server.json"
LOGIN = "hub"
READY_SECONDS = 60.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TrytonServer(NamedTuple):
    """How to reach the server: base URL, database, and the integration user's login."""

    url: str
    database: str
    login: str
    password: str


@contextlib.contextmanager
def running_server(directory: str, purpose: str) -> Iterator[tuple[Session, TrytonServer]]:
    """Bring the server up and keep it for the block."""
    with session(directory, purpose) as current:
        run = current.run
        run.file(SERVER_FILE).unlink(missing_ok=True)
        programs = install_packages(run)
        with stage("PostgreSQL"):
            postgres = start_postgres(run, current.children, durable=False)
        port = random_free_port()
        environment = _environment(postgres, port, run.state)
        builder = Builder(run, current.children, postgres, programs, environment)
        server = TrytonServer(f"http://127.0.0.1:{port}", DATABASE, LOGIN, builder.prepare())
        with stage("Tryton"):
            _start(current, programs, environment, server)
        running = {**server._asdict(), "purpose": purpose, "process": os.getpid()}
        run.write_private(SERVER_FILE, json.dumps(running))
        try:
            yield current, server
        finally:
            run.file(SERVER_FILE).unlink(missing_ok=True)


def serve(directory: str, purpose: str) -> int:
    """Run in the foreground until a signal comes; a second start names the purpose."""
    started = time.monotonic()
    with running_server(directory, purpose) as (current, server):
        say(f"\nTryton is up after {time.monotonic() - started:.0f} s. Ctrl-C stops it.")
        say(f"Tryton:   {server.url}/ database {server.database}")
        say(f"Users:    {server.login} and admin, password {server.password}")
        say(f"Settings: {current.run.file(SERVER_FILE)}")
        while not (ended := current.children.ended()):
            time.sleep(0.3)
        raise StackError(f"{ended.name} ended, so everything was stopped.\n{_tail(ended)}")


def _environment(postgres: PostgresServer, port: int, files: Path) -> dict[str, str]:
    """Tryton reads its configuration from variables TRYTOND_SECTION__OPTION."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRYTOND_")}
    return {
        **kept,
        "TRYTOND_DATABASE__URI": postgres.url(SUPERUSER, ""),
        "TRYTOND_DATABASE__PATH": str(files),
        "TRYTOND_WEB__LISTEN": f"127.0.0.1:{port}",
        "TRYTOND_SESSION__MAX_ATTEMPT": "100",
    }


def _start(
    current: Session, programs: Path, environment: dict[str, str], server: TrytonServer
) -> None:
    log = current.run.logs / "trytond.log"
    log.unlink(missing_ok=True)
    # Without -d it would listen with no module loaded.
    command: list[str | Path] = [programs / "trytond", "-d", server.database, "-v"]
    child = current.children.spawn("trytond", command, environment, log)
    deadline = time.monotonic() + READY_SECONDS
    while not log_in(server):
        if not child.running or time.monotonic() > deadline:
            raise StackError(f"Tryton does not answer a login.\n{_tail(child)}")
        time.sleep(0.2)


def log_in(server: TrytonServer) -> bool:
    """Whether a login succeeds: a listening port is no proof that the modules have loaded."""
    body = {
        "id": 1,
        "method": "common.db.login",
        "params": [server.login, {"password": server.password}, "en"],
    }
    request = urllib.request.Request(  # noqa: S310 - always http
        f"{server.url}/{server.database}/rpc/",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with _opener.open(request, timeout=30) as answer:
            return bool(json.load(answer).get("result"))
    except (OSError, ValueError):
        return False


def _tail(child: Child) -> str:
    return f"Its log {child.log} ends:\n{log_tail(child.log, 25)}" if child.log else ""
