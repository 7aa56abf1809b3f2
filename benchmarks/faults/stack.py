"""The real stack of one chunk: every process restarted when it is found dead, every link through
the proxy. Use from the main thread only: a child dies with the thread that started it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import redis

from q2c.stack.children import Child, Conduct
from q2c.stack.errors import StackError
from q2c.stack.layout import SOCKET_NAME
from q2c.stack.ports import random_free_port
from q2c.stack.postgres import SUPERUSER, start_postgres
from q2c.stack.processes import PROCESSES, ProcessSpec
from q2c.stack.roles import APP_ROLE, DATABASE, OWNER_ROLE, create_roles_and_database
from q2c.stack.session import Session
from q2c.stack.supervisor import choose_ports
from q2c.stack.terminal import log_tail
from q2c.stack.valkey import start_valkey

VENDORS = ("salesforce", "stripe", "netsuite", "provisioning")
HUB_PROCESSES = ("web", "worker", "lanes", "scheduler")
NOTICE_SECONDS = 0.5  # how long a supervisor takes to see that a process has ended
READY_SECONDS = 60.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stack:
    """Servers, proxy, simulators and the product, in one run directory."""

    def __init__(self, session: Session, *, seed: int, database_link: bool) -> None:
        self.run, self.children, self.seed = session.run, session.children, seed
        self.database_link = database_link
        self.table = {spec.name: replace(spec, preferred_port=0) for spec in PROCESSES}
        self.running: dict[str, Child] = {}
        self.died: dict[str, float] = {}
        self.changed: dict[str, dict[str, str]] = {}  # variables of one process, while it is sick
        self.armed: dict[str, dict[str, Any]] = {}  # failpoints by the id of their rule
        self.restarts = 0
        self.environment: dict[str, str] = {}
        self.links: dict[str, int] = {}
        self.valkey_url = ""

    # Starting

    def start_servers(self) -> None:
        """PostgreSQL, Valkey, the proxy, the simulators. Raises ``StackError``."""
        self.server = start_postgres(self.run, self.children, durable=True)
        create_roles_and_database(self.server)
        self.valkey_url = start_valkey(self.run, self.children, durable=True)
        self.ports = choose_ports(self.run, list(self.table.values()))
        self._choose_links()
        self.environment = self._environment()
        self._check_identity()
        self._start_proxy()
        for name in [name for name in self.table if name.startswith("sim-")]:
            self.spawn(name)
        self.wait_ready([name for name in self.table if name.startswith("sim-")])

    def start_product(self) -> None:
        for name in [name for name in self.table if not name.startswith("sim-")]:
            self.spawn(name)
        self.wait_ready(["web"])

    def _choose_links(self) -> None:
        taken = set(self.ports.values())
        for name in (*VENDORS, "hub", "valkey", "database"):
            self.links[name] = random_free_port(taken)
            taken.add(self.links[name])

    def _upstreams(self) -> dict[str, str]:
        hosts = {vendor: f"127.0.0.1:{self.ports[f'sim-{vendor}']}" for vendor in VENDORS}
        valkey = self.valkey_url.rpartition("@")[2].partition("/")[0]
        return {
            **hosts,
            "hub": f"127.0.0.1:{self.ports['web']}",
            "valkey": valkey,
            "database": str(self.server.socket_directory / SOCKET_NAME),
        }

    def _environment(self) -> dict[str, str]:
        direct = self.server.url(APP_ROLE, DATABASE)
        linked = f"postgresql://{APP_ROLE}@127.0.0.1:{self.links['database']}/{DATABASE}"
        head, _, tail = self.valkey_url.rpartition("@")
        sims = {f"SIM_{v.upper()}_URL": f"http://127.0.0.1:{self.ports[f'sim-{v}']}"
                for v in VENDORS}  # fmt: skip
        return {
            **os.environ,
            **sims,
            "Q2C_ENV": "demo",
            "Q2C_SECRET_KEY": secrets.token_urlsafe(48),
            "Q2C_FIELD_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_URL": linked if self.database_link else direct,
            "DATABASE_OWNER_URL": self.server.url(OWNER_ROLE, DATABASE),
            "REDIS_URL": f"{head}@127.0.0.1:{self.links['valkey']}/{tail.partition('/')[2]}",
            "HUB_URL": f"http://127.0.0.1:{self.ports['web']}",
            "Q2C_FAILPOINTS": "1",
            "Q2C_FAILPOINT_FILE": str(self.failpoint_file),
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def failpoint_file(self) -> Path:
        return self.run.file("failpoints.json")

    @property
    def owner_url(self) -> str:
        """Straight to the server, for the campaign's own questions."""
        return self.server.url(OWNER_ROLE, DATABASE)

    @property
    def superuser_url(self) -> str:
        return self.server.url(SUPERUSER, DATABASE)

    def link_address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.links[name]}"

    def _check_identity(self) -> None:
        """The servers that will be killed are the ones started here. Raises ``StackError``."""
        with psycopg.connect(self.superuser_url) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        with redis.Redis.from_url(self.valkey_url) as client:
            pid = int(client.info("server")["process_id"])
        mine = {child.name: child.process.pid for child in self.children.started}
        data = Path(str(row[0])) if row else Path("/")
        if Path(f"/proc/{mine['postgres']}/cwd").resolve() != data or pid != mine["valkey"]:
            raise StackError("A server that answers is not the campaign's own; nothing was done.")

    def _start_proxy(self) -> None:
        links = [f"{n}={self.links[n]}:{up}" for n, up in self._upstreams().items()]
        command = [sys.executable, "-m", "benchmarks.faults.proxy", "--control",
                   str(self.control_socket), "--seed", str(self.seed), *links]  # fmt: skip
        self.running["proxy"] = self.children.spawn(
            "proxy", command, self.environment, self.run.logs / "proxy.log"
        )
        end = time.monotonic() + READY_SECONDS
        while not self.control_socket.exists():
            if time.monotonic() > end or not self.running["proxy"].running:
                raise StackError(f"No proxy: {log_tail(self.run.logs / 'proxy.log')}")
            time.sleep(0.05)

    @property
    def control_socket(self) -> Path:
        return self.run.file("proxy.sock")

    def proxy(self, **request: Any) -> dict[str, Any]:
        """One request to the proxy's control socket. Raises ``StackError`` when it refuses."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(5)
            channel.connect(str(self.control_socket))
            channel.sendall(json.dumps(request).encode() + b"\n")
            with channel.makefile() as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        if "error" in answer:
            raise StackError(f"The proxy refuses {request}: {answer['error']}")
        return answer

    def spawn(self, name: str) -> None:
        spec: ProcessSpec = self.table[name]
        values = {"port": self.ports.get(name), "state": self.run.state}
        arguments = [word.format_map(values) for word in spec.arguments.split()]
        environment = {**self.environment, **self.changed.get(name, {})}
        self.running[name] = self.children.spawn(
            name, [sys.executable, *arguments], environment, self.run.logs / f"{name}.log",
            Conduct(grace=spec.grace),
        )  # fmt: skip

    def wait_ready(self, names: list[str]) -> None:
        end = time.monotonic() + READY_SECONDS
        for name in names:
            url = f"http://127.0.0.1:{self.ports[name]}{self.table[name].probe}"
            while not _answers(url):
                self.mend()
                if time.monotonic() > end:
                    tail = log_tail(self.run.logs / f"{name}.log")
                    raise StackError(f"{name} does not answer {url}. Its log ends:\n{tail}")
                time.sleep(0.1)

    def run_once(
        self, name: str, words: list[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Run a command to its end. Raises ``StackError`` with its log when it fails."""
        log = self.run.logs / f"{name}.log"
        child = self.children.spawn(
            name, [sys.executable, *words], {**self.environment, **(environment or {})}, log
        )
        status = child.process.wait()
        self.children.stop([child])
        if status:
            raise StackError(f"{name} failed. Its log {log} ends:\n{log_tail(log, 25)}")

    # Living

    def mend(self) -> list[str]:
        """Start again what has ended, as any supervisor does; returns what was started."""
        started = []
        for name, child in list(self.running.items()):
            if child.running:
                continue
            since = self.died.setdefault(name, time.monotonic())
            if time.monotonic() - since < NOTICE_SECONDS:
                continue
            del self.died[name]
            self.children.stop([child])
            self._start_proxy() if name == "proxy" else self.spawn(name)
            self.restarts += 1
            started.append(name)
        return started + self._mend_servers()

    def _mend_servers(self) -> list[str]:
        """A server that ended by itself; one that a strike ended is not in the list any more."""
        ended = [child for child in self.children.started
                 if child.name in ("postgres", "valkey") and not child.running]  # fmt: skip
        for child in ended:
            self.children.stop([child])
            self.start_postgres() if child.name == "postgres" else self.start_valkey()
            self.restarts += 1
        return [child.name for child in ended]

    def pid(self, name: str) -> int:
        return self.running[name].process.pid

    def worker_children(self, name: str) -> list[int]:
        """The processes that a Celery worker forked to do its work."""
        path = Path(f"/proc/{self.pid(name)}/task/{self.pid(name)}/children")
        with contextlib.suppress(OSError):
            return [int(word) for word in path.read_text().split()]
        return []

    def server_child(self, name: str) -> Child:
        """Raises ``ProcessLookupError`` while the server is down."""
        found = [child for child in self.children.started if child.name == name]
        if not found:
            raise ProcessLookupError(f"{name} is not running")
        return found[-1]

    def crash_postgres(self) -> None:
        """The immediate shutdown: no checkpoint, every connection cut."""
        child = self.server_child("postgres")
        child.process.send_signal(signal.SIGQUIT)
        child.process.wait(20)
        self.children.stop([child])

    def start_postgres(self) -> None:
        self.server = start_postgres(self.run, self.children, durable=True)

    def kill_valkey(self, *, lose_data: bool) -> None:
        child = self.server_child("valkey")
        child.process.kill()
        child.process.wait(10)
        self.children.stop([child])
        if lose_data:
            for file in sorted(self.run.valkey.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()

    def start_valkey(self) -> None:
        start_valkey(self.run, self.children, durable=True, again=self.valkey_url)

    def rss_mb(self) -> dict[str, float]:
        """Resident memory of every process of the product, its forks included."""
        found = {}
        for name in HUB_PROCESSES:
            pids = [self.pid(name), *self.worker_children(name)]
            found[name] = max(_rss(pid) for pid in pids)
        return found


def _rss(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    return 0.0


def _answers(url: str) -> bool:
    try:
        with _opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
