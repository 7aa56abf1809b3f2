"""Faults of processes: killed, stopped beyond their lease, with a wrong clock, out of disk."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import redis

from benchmarks.faults.conductor import Scene, Strike
from benchmarks.faults.stack import NOTICE_SECONDS
from q2c.stack.account import ServerAccount
from scenario.hub import Person

# Claims on rows name no holder: a process that works is stopped beyond the longest of them.
LONGEST_CLAIM, LONGEST_STOP = 22.0, 80.0
# Where distributions put it; without it the time-machine package does it inside the process.
FAKETIME = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib64/faketime/libfaketimeMT.so.1"),
    Path("/opt/homebrew/lib/faketime/libfaketimeMT.1.dylib"),
)
SKEW_FOLDER = Path(__file__).parent / "skew"
SMALL_FILE = 1 << 20


def kill(scene: Scene) -> Iterator[float]:
    """SIGKILL for a whole process; its forks go with it when the restart cleans up."""
    pid = scene.stack.pid(scene.what["target"])
    os.kill(pid, signal.SIGKILL)
    scene.notes["pid"] = pid
    yield NOTICE_SECONDS


def kill_child(scene: Scene) -> Iterator[float]:
    """SIGKILL for one of the forks that do a worker's tasks."""
    children = scene.stack.worker_children(scene.what["target"])
    scene.notes["pids"] = scene.chance.sample(children, min(1, len(children)))
    for pid in scene.notes["pids"]:
        os.kill(pid, signal.SIGKILL)
    yield 0.2


def stop_child(scene: Scene) -> Iterator[float]:
    """SIGSTOP for a fork that holds a lease, until the lease is over and taken, then SIGCONT."""
    holders: list[tuple[float, int]] = []
    for _ in range(40):
        pids = scene.stack.worker_children(scene.what["target"])
        holders = sorted((scene.hub.lease_left([pid]), pid) for pid in pids)
        if holders and holders[-1][0] > 0:
            break
        yield 0.05
    left, pid = holders[-1] if holders else (0.0, 0)
    yield from _stopped(scene, [pid] if pid else [], left)


def stop_whole(scene: Scene) -> Iterator[float]:
    """SIGSTOP for a process and its forks, longer than any lease it holds, then SIGCONT."""
    target = scene.what["target"]
    pids = [scene.stack.pid(target), *scene.stack.worker_children(target)]
    yield from _stopped(scene, pids, scene.hub.lease_left(pids))


def _stopped(scene: Scene, pids: list[int], left: float) -> Iterator[float]:
    scene.notes.update(pids=pids, lease_left_s=round(left, 1))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    works = scene.what["target"] in ("worker", "lanes")
    least = LONGEST_CLAIM if works else scene.chance.uniform(4, 8)
    yield min(LONGEST_STOP, max(least, left + 2.0))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def wrong_clock(scene: Scene) -> Iterator[float]:
    """Start a worker again with a clock an hour off (its monotonic clock is right)."""
    target, hours = scene.what["target"], int(scene.what["hours"])
    library = next((path for path in FAKETIME if path.exists()), None)
    if library is not None:
        changed = {"LD_PRELOAD": str(library), "FAKETIME": f"{hours * 3600:+d}",
                   "FAKETIME_DONT_FAKE_MONOTONIC": "1"}  # fmt: skip
    else:
        changed = {"PYTHONPATH": str(SKEW_FOLDER), "Q2C_SKEW_SECONDS": str(hours * 3600)}
    scene.notes["by"] = "libfaketime" if library else "time-machine"
    scene.stack.changed[target] = changed
    os.kill(scene.stack.pid(target), signal.SIGTERM)
    yield 12.0
    del scene.stack.changed[target]
    os.kill(scene.stack.pid(target), signal.SIGTERM)
    yield 1.0


def restart_postgres(scene: Scene) -> Iterator[float]:
    """The immediate shutdown, a moment of nothing, and a start that recovers from the log."""
    scene.stack.crash_postgres()
    yield scene.chance.uniform(0, 2)
    scene.stack.start_postgres()


def terminate_backends(scene: Scene) -> Iterator[float]:
    """Cut every connection of the product, three times."""
    for _ in range(3):
        with psycopg.connect(scene.stack.superuser_url, autocommit=True) as connection:
            cut = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE usename = 'q2c_app'"
            ).fetchone()
        scene.notes["cut"] = scene.notes.get("cut", 0) + (cut[0] if cut else 0)
        yield 0.4


def kill_valkey(scene: Scene) -> Iterator[float]:
    """SIGKILL for the broker with all it had on disk gone."""
    scene.notes["bells_lost"] = bells(scene)
    scene.stack.kill_valkey(lose_data=True)
    yield scene.chance.uniform(0.5, 3)
    scene.stack.start_valkey()


def stop_valkey(scene: Scene) -> Iterator[float]:
    """SIGSTOP for the broker: connections stand, nobody answers."""
    pid = scene.stack.server_child("valkey").process.pid
    os.kill(pid, signal.SIGSTOP)
    yield scene.chance.uniform(5, 12)
    os.kill(pid, signal.SIGCONT)


def flush_valkey(scene: Scene) -> Iterator[float]:
    """FLUSHALL, a few times in a row."""
    for _ in range(5):
        scene.notes["bells_lost"] = scene.notes.get("bells_lost", 0) + bells(scene)
        with redis.Redis.from_url(scene.stack.valkey_url, socket_timeout=3) as client:
            client.flushall()
        yield 0.3


def bells(scene: Scene) -> int:
    """How many bells wait in the broker: what its loss loses."""
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(scene.stack.valkey_url, socket_timeout=3) as client,
    ):
        queued = sum(int(client.llen(name)) for name in ("default", "lanes"))
        return queued + int(client.hlen("unacked"))
    return 0


def kill_during_export(scene: Scene) -> Iterator[float]:
    """Kill the web process while somebody downloads an export: half of it must not look whole."""
    person = Person("mara")
    got, whole = b"", False
    try:
        with person.http.stream("GET", "/audit/export/") as answer:
            for piece in answer.iter_raw(64):
                got += piece
                if len(got) == len(piece):
                    os.kill(scene.stack.pid("web"), signal.SIGKILL)
                    scene.notes["killed_midway"] = "content-length" not in answer.headers
            whole = True
    except httpx.HTTPError as error:
        scene.notes["client_saw"] = type(error).__name__
    scene.notes.update(bytes=len(got), looked_whole=whole)
    yield NOTICE_SECONDS


def valkey_disk_full(scene: Scene) -> Iterator[float]:
    """The broker's append-only file may not grow (RLIMIT_FSIZE)."""
    resource.prlimit(
        scene.stack.server_child("valkey").process.pid,
        resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY),
    )  # fmt: skip
    yield 3.0
    broker = scene.stack.server_child("valkey")
    if broker.running:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, unlimited)
        return
    scene.notes["died"] = True
    scene.stack.kill_valkey(lose_data=False)
    scene.stack.start_valkey()


def postgres_disk_full(scene: Scene) -> Iterator[float]:
    """The product's backends may not write beyond 1 MB of any file: half-written pages and log."""
    with psycopg.connect(scene.stack.superuser_url, autocommit=True) as connection:
        pids = [row[0] for row in connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'q2c_app'"
        )]  # fmt: skip
    scene.notes["backends"] = len(pids)
    _limit_files(pids, SMALL_FILE)
    yield 3.0
    _limit_files(pids, "unlimited")
    if not scene.stack.server_child("postgres").running:
        scene.notes["died"] = True
        scene.stack.children.stop([scene.stack.server_child("postgres")])
        scene.stack.start_postgres()


def _limit_files(pids: list[int], size: int | str) -> None:
    """Set the size beyond which these may not write, as the account that they run as."""
    for pid in pids:
        subprocess.run(
            ["prlimit", f"--pid={pid}", f"--fsize={size}:unlimited"], check=False,
            stderr=subprocess.DEVNULL, **ServerAccount.for_this_process().identity,
        )  # fmt: skip


PROCESS_STRIKES: dict[str, Strike] = {
    "kill-worker": kill,
    "kill-lanes": kill,
    "kill-scheduler": kill,
    "kill-web": kill,
    "kill-child": kill_child,
    "stop-child": stop_child,
    "stop-whole": stop_whole,
    "clock-ahead": wrong_clock,
    "clock-behind": wrong_clock,
    "restart-immediate": restart_postgres,
    "terminate-backends": terminate_backends,
    "kill-losing-data": kill_valkey,
    "broker-stop": stop_valkey,
    "flushall": flush_valkey,
    "export-killed": kill_during_export,
    "broker-disk-full": valkey_disk_full,
    "database-disk-full": postgres_disk_full,
}
