"""Real processes of the hub on the test's database, with a broker of their own to be hurt."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis
from django.db import connection
from psycopg.conninfo import make_conninfo

from q2c.stack.binaries import find_redis_server
from q2c.stack.ports import random_free_port

ROOT = Path(__file__).resolve().parents[2]
WORKER = "-m celery -A q2c worker --without-mingle --without-gossip -l warning"


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until a condition holds; returns the seconds that took."""
    begun = time.monotonic()
    while not condition():
        took = time.monotonic() - begun
        assert took < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - begun


@dataclass
class Broker:
    """A Redis that is started, frozen, killed and emptied; without a file, so a kill loses all."""

    port: int = field(default_factory=random_free_port)
    process: subprocess.Popen[bytes] | None = None
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.options]
        self.process = subprocess.Popen(
            [find_redis_server(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers, 10, "the broker")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=2)

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Hub:
    """The hub's processes, each with its log; ``environment`` names broker and database."""

    logs: Path
    broker_url: str
    more: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        name = str(connection.settings_dict["NAME"])
        return {
            **os.environ,
            "Q2C_ENV": "test",
            "DATABASE_URL": make_conninfo(os.environ["DATABASE_URL"], dbname=name),
            "BROKER_URL": self.broker_url,
            "REDIS_URL": self.broker_url if self.broker_url.startswith("redis") else "",
            "PYTHONUNBUFFERED": "1",
            **self.more,
        }

    def start(self, name: str, words: str, **more: str) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*more.pop("before", "").split(), sys.executable, *words.split()],
                cwd=ROOT,
                env={**self.environment, **more},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def worker(self, name: str = "worker", queue: str = "default", **more: str):
        words = f"{WORKER} -n {name}@%h -Q {queue} -c 2"
        return self.start(name, words, **more)

    def scheduler(self, name: str = "scheduler", **more: str):
        return self.start(name, "manage.py run_scheduler", **more)

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """kill -9 of a process with its children."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str, seconds: float = 30) -> float:
        """SIGTERM; returns the seconds until it ended."""
        begun = time.monotonic()
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(seconds)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return time.monotonic() - begun

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
