"""The demo and the headless flow: servers, schema, set-up, processes, scenario."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from q2c.stack.children import Child, Conduct
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.processes import HUB, PROCESSES, SIMULATORS
from q2c.stack.services import Services, start_services
from q2c.stack.session import Session, session
from q2c.stack.supervisor import Supervisor, choose_ports
from q2c.stack.terminal import log_tail, say, stage

KEYS_FILE = "keys.json"
ENVIRONMENT_FILE = "environment"
# Written when the scenario began and when it was played to its end.
BEGUN_MARKER, PLAYED_MARKER = "scenario.begun", "scenario.played"
SETUP_FILE, SETUP_MARKER = "setup.json", "setup.addresses"


def run_demo(directory: str) -> int:
    """Bring everything up, play the scenario once, keep traffic trickling until a signal comes."""
    started = time.monotonic()
    with session(directory, "make demo") as current:
        _forget_unfinished(current.run)
        say(f"Starting the demo in {current.run.path}")
        with _product(current) as supervisor:
            _play_scenario(current.run, supervisor)
            # Beside us: the first look at reconciliation need not wait for the next minute.
            _manage(supervisor, "read_platforms", supervisor.environment)
            supervisor.spawn("trickle", [sys.executable, "-m", "scenario", "trickle"])
            say(
                f"\nUp after {time.monotonic() - started:.0f} s. Ctrl-C stops everything.\n"
                f"Logs:    {current.run.logs}"
            )
            say(f"Console: {supervisor.environment['HUB_URL']}/")
            for line in _demo_users(current.run):
                say(line)
            supervisor.watch()
    return 0


def _demo_users(run: RunDirectory) -> Iterator[str]:
    users = json.loads(run.file(SETUP_FILE).read_text())["users"]
    width = max(len(user["password"]) for user in users)
    for user in users:
        held = ", ".join(sorted({f"{r['role']} {r.get('entity', '')}".strip()
                                 for r in user["roles"]}))  # fmt: skip
        yield f"Sign in: {user['username']:6} {user['password']:{width}}  {held}"


def run_flow(directory: str) -> int:
    """From empty databases: the scenario with its resolutions and the invariants; return its exit
    code.
    """
    return run_on_product([sys.executable, "-m", "scenario", "flow"], directory)


def run_on_product(command: Sequence[str], directory: str, *, keep: bool = False) -> int:
    """From empty databases, or with ``keep`` from those that stand: bring everything up, run a
    command beside it with our standard input, stop everything; return the command's exit code.
    """
    with session(directory, " ".join(command)[:80]) as current:
        if not keep:
            current.run.wipe()
        kind = "the kept" if keep else "a fresh"
        say(f"Running {' '.join(command[1:])} on {kind} product in {current.run.path}")
        with _product(current) as supervisor:
            return supervisor.run_task("task", command, Conduct(stdin=None))


def reset(directory: str) -> int:
    """Delete the demo's data, unless the demo is running."""
    with session(directory, "make demo-reset") as current:
        current.run.wipe()
        say(f"Deleted the demo's data in {current.run.path}. `make demo` starts over.")
    return 0


@contextmanager
def _product(current: Session) -> Iterator[Supervisor]:
    """Everything up, with the platforms and the company group set up."""
    services = start_services(current.run, current.children, durable=True)
    ports = choose_ports(current.run, PROCESSES)
    supervisor = Supervisor(
        current.run, current.children, _environment(current.run, services, ports), ports
    )
    _write_environment(current.run, supervisor.environment)
    try:
        with stage(f"Migrations; {len(SIMULATORS)} simulators, set up"):
            migration = _begin_migrations(supervisor, services)
            supervisor.start(SIMULATORS)
            changed = _set_platforms_up(supervisor)
            _finish(supervisor, migration)
        with stage(f"{len(HUB)} processes of the hub: web, workers, scheduler; its set-up"):
            loading = _begin_loading(supervisor) if changed else None
            supervisor.start(HUB)
            if loading:
                _finish(supervisor, loading)
                supervisor.run.file(SETUP_MARKER).write_text(_addresses(supervisor))
        yield supervisor
    finally:
        say("Stopping ...")
        supervisor.stop(PROCESSES)


def _environment(run: RunDirectory, services: Services, ports: dict[str, int]) -> dict[str, str]:
    addresses = {
        spec.url_variable: f"http://127.0.0.1:{ports[spec.name]}"
        for spec in PROCESSES
        if spec.url_variable
    }
    return {
        "Q2C_ENV": "demo",
        **_keys(run),
        **os.environ,
        **services.environment(),
        **addresses,
        "PYTHONUNBUFFERED": "1",
    }


def _keys(run: RunDirectory) -> dict[str, str]:
    """The demo's own secrets, made once: what was encrypted with them must stay readable at the
    next start.
    """
    file = run.file(KEYS_FILE)
    if not file.exists():
        keys = {
            "Q2C_SECRET_KEY": secrets.token_urlsafe(48),
            "Q2C_FIELD_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        run.write_private(KEYS_FILE, json.dumps(keys))
    stored: dict[str, str] = json.loads(file.read_text())
    return stored


def _write_environment(run: RunDirectory, environment: dict[str, str]) -> None:
    """What the processes got beyond our own environment, to look into a running demo:
    ``set -a; . .run/environment; set +a; .venv/bin/python manage.py shell``.
    """
    added = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    run.write_private(
        ENVIRONMENT_FILE,
        "".join(f"{name}={shlex.quote(value)}\n" for name, value in added.items()),
    )


def _begin_migrations(supervisor: Supervisor, services: Services) -> Child:
    as_owner = {**supervisor.environment, **services.environment(as_owner=True)}
    return _manage(supervisor, "migrate", as_owner, "--no-input", "-v", "1")


def _set_platforms_up(supervisor: Supervisor) -> bool:
    """Set the platforms up and write the hub's set-up file; return whether there was anything to
    do: it is repeatable, and done again only when an address has changed since.
    """
    file, done = supervisor.run.file(SETUP_FILE), supervisor.run.file(SETUP_MARKER)
    if done.exists() and done.read_text() == _addresses(supervisor):
        return False
    words = [sys.executable, "-m", "scenario", "prepare", str(file)]
    if supervisor.run_task("prepare", words):
        raise StackError("Setting the platforms up failed; the lines above say why.")
    return True


def _begin_loading(supervisor: Supervisor) -> Child:
    file = supervisor.run.file(SETUP_FILE)
    return _manage(supervisor, "load_setup", supervisor.environment, str(file))


def _addresses(supervisor: Supervisor) -> str:
    return json.dumps(supervisor.ports, sort_keys=True)


def _manage(
    supervisor: Supervisor, command: str, environment: dict[str, str], *arguments: str
) -> Child:
    """Begin a management command with its output in a log; `_finish` waits for it."""
    log = supervisor.run.logs / f"{command}.log"
    log.unlink(missing_ok=True)
    words = [sys.executable, "manage.py", command, *arguments]
    return supervisor.children.spawn(command, words, environment, log, Conduct(ends=True))


def _finish(supervisor: Supervisor, command: Child) -> None:
    """Wait for a management command; raise StackError with its log's end when it fails."""
    status = command.process.wait()
    supervisor.children.stop([command])
    if status:
        raise StackError(
            f"`manage.py {command.name}` failed. "
            f"Its log {command.log} ends:\n{log_tail(command.log, 25) if command.log else ''}"
        )


def _forget_unfinished(run: RunDirectory) -> None:
    """A scenario that was interrupted cannot be played over its own half: start from empty
    databases.
    """
    if run.file(BEGUN_MARKER).exists() and not run.file(PLAYED_MARKER).exists():
        say("The last demo was stopped before its scenario had finished, so this one starts over.")
        run.wipe()


def _play_scenario(run: RunDirectory, supervisor: Supervisor) -> None:
    if run.file(PLAYED_MARKER).exists():
        say("  The scenario was played earlier; `make demo-reset` starts over.")
        return
    run.file(BEGUN_MARKER).touch()
    status = supervisor.run_task("scenario", [sys.executable, "-m", "scenario", "run"])
    if status:
        raise StackError(f"The scenario ended with exit code {status}; the lines above say why.")
    run.file(PLAYED_MARKER).touch()
