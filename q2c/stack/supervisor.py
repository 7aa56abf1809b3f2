"""Starting the processes of the table in order, and stopping all when one of them ends."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from q2c.stack.children import Child, Children, Conduct
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.liveness import Liveness, read_ages
from q2c.stack.ports import is_free, next_free_port, random_free_port
from q2c.stack.processes import ProcessSpec
from q2c.stack.terminal import log_tail, say

READY_SECONDS = 60.0
PORTS_FILE = "ports.json"
IN_BACKGROUND = Conduct()
# Straight to the process: a proxy of the environment has no way to our loopback address.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def choose_ports(run: RunDirectory, table: Sequence[ProcessSpec]) -> dict[str, int]:
    """A port for each process that listens: the one of the last start while it is free, as
    connections in the database name the simulators' addresses.
    """
    file = run.file(PORTS_FILE)
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    ports: dict[str, int] = {}
    for spec in table:
        if spec.url_variable:
            ports[spec.name] = _choose_port(spec, known.get(spec.name), ports.values())
    file.write_text(json.dumps(ports))
    return ports


def _choose_port(spec: ProcessSpec, known: int | None, taken: Collection[int]) -> int:
    if spec.preferred_port:
        return next_free_port(int(os.environ.get("WEB_PORT") or spec.preferred_port), taken)
    if known and known not in taken and is_free(known):
        return known
    return random_free_port(taken)


@dataclass
class Supervisor:
    """The processes of one stack with the environment they share."""

    run: RunDirectory
    children: Children
    environment: dict[str, str]
    ports: Mapping[str, int]
    supervised: dict[str, Child] = field(default_factory=dict)
    workers: dict[str, ProcessSpec] = field(default_factory=dict)
    liveness: Liveness = field(init=False)

    def __post_init__(self) -> None:
        self.liveness = Liveness(lambda: read_ages(self.environment["DATABASE_URL"]))

    def start(self, table: Sequence[ProcessSpec]) -> None:
        """Start phase after phase; StackError when a process ends or is not ready in time."""
        for phase in sorted({spec.phase for spec in table}):
            members = [spec for spec in table if spec.phase == phase]
            for spec in members:
                self._spawn(spec)
            self._wait_until_ready(members)

    def _spawn(self, spec: ProcessSpec) -> None:
        # Filled in after splitting, as the path may hold spaces.
        values = {"port": self.ports.get(spec.name), "state": self.run.state}
        arguments = [word.format_map(values) for word in spec.arguments.split()]
        self.spawn(spec.name, [sys.executable, *arguments], grace=spec.grace)
        if spec.beats:
            self.workers[spec.name] = spec

    def spawn(self, name: str, command: Sequence[str], *, grace: float = 6.0) -> Child:
        """Start one process with its own log file, the last start's log kept beside it."""
        log = self.run.logs / f"{name}.log"
        with contextlib.suppress(FileNotFoundError):
            log.replace(log.with_suffix(".log.1"))
        child = self.children.spawn(name, command, self.environment, log, Conduct(grace=grace))
        self.supervised[name] = child
        return child

    def _wait_until_ready(self, specs: Sequence[ProcessSpec]) -> None:
        waiting = {spec.name: self._probe_url(spec) for spec in specs if spec.probe}
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            self.check()
            waiting = {name: url for name, url in waiting.items() if not _answers(url)}
            if time.monotonic() > deadline:
                raise StackError(self._not_ready(waiting))
            time.sleep(0.2)

    def _probe_url(self, spec: ProcessSpec) -> str:
        return f"http://127.0.0.1:{self.ports[spec.name]}{spec.probe}"

    def _not_ready(self, waiting: Mapping[str, str]) -> str:
        name, url = next(iter(waiting.items()))
        log = self.run.logs / f"{name}.log"
        return (
            f"{name} did not answer {url} with 200 within {READY_SECONDS:.0f} s. "
            f"Its log {log} ends:\n{log_tail(log)}"
        )

    def check(self) -> None:
        """Raise StackError naming the process that has ended, with the end of its log."""
        child = self.children.ended()
        if child:
            raise StackError(_ended(child, child.log))

    def run_task(self, name: str, command: Sequence[str], conduct: Conduct = IN_BACKGROUND) -> int:
        """Run a command to its end with its output on our terminal, watching the others; return
        its exit code.
        """
        task = self.children.spawn(name, command, self.environment, conduct=conduct)
        while task.running:
            others = [
                child for child in self.children.started if child is not task and child.failed
            ]
            if others:
                raise StackError(_ended(others[0], others[0].log))
            time.sleep(0.1)
        self.children.stop([task])
        return task.process.returncode

    def watch(self) -> None:
        """Stay until a process ends, which raises StackError, or a signal comes; zombies are
        started anew.
        """
        while True:
            self.check()
            self.revive()
            time.sleep(0.3)

    def revive(self) -> None:
        """Start workers anew that live but begin no task though they are rung for."""
        for name in self.liveness.zombies(self.workers):
            say(f"{name} lives but begins no task, so it is started anew.")
            self._stop_named([name])
            self._spawn(self.workers[name])
            self.liveness.forget(name)

    def stop(self, table: Sequence[ProcessSpec]) -> None:
        """Stop the table's processes, the last phase first; what stands outside the table goes
        before all.
        """
        self.workers.clear()
        listed = {spec.name for spec in table}
        self._stop_named([name for name in self.supervised if name not in listed])
        for phase in sorted({spec.phase for spec in table}, reverse=True):
            self._stop_named([spec.name for spec in table if spec.phase == phase])

    def _stop_named(self, names: Sequence[str]) -> None:
        found = [self.supervised.pop(name) for name in names if name in self.supervised]
        self.children.stop(found)


def _answers(url: str) -> bool:
    try:
        with _opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _ended(child: Child, log: Path | None) -> str:
    status = child.process.returncode
    how = f"with exit code {status}" if status >= 0 else f"by signal {-status}"
    where = f" Its log {log} ends:\n{log_tail(log)}" if log else ""
    return f"{child.name} ended {how}, so everything was stopped.{where}"
