"""The embedded Valkey (Redis protocol): broker, channel layer and cache of demo and tests."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis

from q2c.stack.binaries import find_redis_server
from q2c.stack.children import Child, Children, Conduct
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.ports import random_free_port
from q2c.stack.terminal import log_tail

ATTEMPTS = 5
START_SECONDS = 10.0


def start_valkey(run: RunDirectory, children: Children, *, durable: bool, again: str = "") -> str:
    """Start the server on a free port; return its URL with a random password, in the form that
    kombu takes too. ``again`` is the URL of an ended server whose place the new one takes.
    """
    program, log = find_redis_server(), run.logs / "valkey.log"
    known = urlsplit(again)
    password = known.password or secrets.token_urlsafe(16)
    for _ in range(ATTEMPTS):
        port = known.port or random_free_port()
        child = _spawn(
            program, _configuration(port, password, durable=durable), run, children, log
        )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        if _answers(url, child):
            return url
        # Somebody else took the port in between, or the server cannot start at all: the log tells.
        children.stop([child])
    raise StackError(f"Valkey did not start. Its log {log} says:\n{log_tail(log)}")


def _configuration(port: int, password: str, *, durable: bool) -> bytes:
    lines = (
        f"port {port}",
        "bind 127.0.0.1",
        f"requirepass {password}",
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        "maxmemory-policy noeviction",  # an evicting broker would drop queued work
    )
    return "\n".join((*lines, "")).encode()


def _spawn(
    program: Path, configuration: bytes, run: RunDirectory, children: Children, log: Path
) -> Child:
    # By standard input, so that the password shows neither in the process list nor in a file.
    reader, writer = os.pipe()
    try:
        os.write(writer, configuration)
        os.close(writer)
        conduct = Conduct(run.valkey, stdin=reader)
        return children.spawn("valkey", [program, "-"], dict(os.environ), log, conduct)
    finally:
        os.close(reader)


def _answers(url: str, child: Child) -> bool:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url, socket_timeout=2) as client:
        while child.running and time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    return True
            time.sleep(0.02)
    return False
