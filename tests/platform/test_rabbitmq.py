"""Another broker by one setting: BROKER_URL=amqp://…, with quorum queues.

Needs Debian's package ``rabbitmq-server``; its server is started here, on loopback, with files of
its own. Without it these tests are skipped and say so.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from q2c.stack.ports import random_free_port
from tests.platform.rig import Hub, wait_for
from tests.platform.work import is_done, is_heard, owe

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
SERVER = PROGRAMS / "rabbitmq-server"
NEEDED = "no RabbitMQ at hand: apt-get install rabbitmq-server"


class Rabbit:
    """A RabbitMQ node that listens on loopback only."""

    def __init__(self, home: Path) -> None:
        self.port, distribution, mapper = (random_free_port() for _ in range(3))
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"q2c-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "none"),
        }
        self.log = home / "server.log"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._listens, 60, "RabbitMQ")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def control(self, *words: str) -> str:
        done = subprocess.run(
            [PROGRAMS / "rabbitmqctl", "-q", *words],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        # The port mapper is a daemon of its own; it belongs to this node alone.
        subprocess.run(["epmd", "-kill"], env=self.environment, capture_output=True)


@pytest.fixture
def rabbit(tmp_path: Path) -> Iterator[Rabbit]:
    may_run = os.geteuid() == 0 or os.access(SERVER, os.X_OK)
    if not SERVER.exists() or shutil.which("erl") is None or not may_run:
        print(f"\n{NEEDED}")
        pytest.skip(NEEDED)
    home = tmp_path / "rabbit"
    home.mkdir()
    rabbit = Rabbit(home)
    rabbit.start()
    yield rabbit
    rabbit.stop()


@pytest.fixture
def hub_on_rabbit(rabbit: Rabbit, tmp_path: Path, transactional_db: None) -> Iterator[Hub]:
    hub = Hub(tmp_path, rabbit.url)
    yield hub
    hub.close()


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_the_hub_works_on_rabbitmq(rabbit: Rabbit, hub_on_rabbit: Hub):
    hub = hub_on_rabbit
    hub.worker()
    hub.worker("lanes", "lanes")
    hub.scheduler()
    wait_for(lambda: is_heard("default") and is_heard("lanes"), 60, "both workers")
    took = []
    for _ in range(5):
        last = owe(100)
        took.append(wait_for(partial(is_done, last), 10, "the events"))
    queues = rabbit.control("list_queues", "name", "type")
    print(f"\n100 events each in {max(took):.1f} s at most; queues:\n{queues}")
    assert "default\tquorum" in queues
    assert "lanes\tquorum" in queues
    # The node goes away and comes back: workers find it again, meanwhile work goes on.
    rabbit.stop()
    last = owe(50)
    away = wait_for(lambda: is_done(last), 20, "the stand-in")
    rabbit.start()
    back = wait_for(lambda: is_heard(within=3), 40, "the worker")
    print(f"broker away: done after {away:.1f} s; consuming again {back:.1f} s after its start")
    assert hub.stop("worker") < 20
