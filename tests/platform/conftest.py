"""Processes on the test's own database. The slow ones run with ``make test-platform``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.clock import set_clock
from tests.platform.rig import Broker, Hub


@pytest.fixture(autouse=True)
def machine_clock() -> Iterator[None]:
    """A scheduler in this process sets the clock by the database."""
    yield
    set_clock(None)


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def hub(broker: Broker, tmp_path: Path, transactional_db: None) -> Iterator[Hub]:
    """No process yet; whatever a test starts is killed at its end."""
    hub = Hub(tmp_path, broker.url)
    yield hub
    hub.close()
