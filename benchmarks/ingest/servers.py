"""The hub's web process and the bare view's, started alike; the hub's other processes; and the
broker that is stopped."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from q2c.stack.ports import random_free_port
from q2c.stack.processes import PROCESSES

ROOT = Path(__file__).resolve().parents[2]
HUB, BARE = "q2c.asgi:application", "benchmarks.ingest.bare.asgi:application"
UP_SECONDS = 60
BEHIND = ("worker", "lanes", "scheduler")  # what the hub runs besides its web process


@contextmanager
def web_servers(secret: str) -> Iterator[dict[str, int]]:
    """Both servers with the options of the product's own web process; name → port."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(_server(application, secret))
            for name, application in (("hub", HUB), ("bare", BARE))
        }


@contextmanager
def _server(application: str, secret: str) -> Iterator[int]:
    web = next(spec for spec in PROCESSES if spec.name == "web")
    port = random_free_port()
    words = web.arguments.replace(HUB, application).format(port=port).split()
    environment = {**os.environ, "BENCH_SECRET": secret}
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # each application names its own
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment)
    try:
        _wait_until_up(port, process)
        yield port
    finally:
        _end(process)


@contextmanager
def workers() -> Iterator[None]:
    """The product's own workers and scheduler."""
    with ExitStack() as stack:
        for spec in PROCESSES:
            if spec.name in BEHIND:
                words = [sys.executable, *spec.arguments.split()]
                stack.callback(_end, subprocess.Popen(words, cwd=ROOT))
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    """A worker whose broker was killed may not hear that it shall stop."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"A web server ended with exit code {process.returncode}.")
        try:
            opener.open(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
            continue
        return
    raise SystemExit(f"A web server did not answer within {UP_SECONDS} s.")


class Broker:
    """The Redis that this run started: it may be frozen and killed."""

    def __init__(self, url: str) -> None:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            self._pid = int(client.info("server")["process_id"])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone for the rest of the run."""
        os.kill(self._pid, signal.SIGKILL)
