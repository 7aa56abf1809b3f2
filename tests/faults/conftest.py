"""Layer A of the fault campaign inside the test run."""

from collections.abc import Iterator

import pytest

from apps.core.clock import utc_now
from benchmarks.faults.layer_a.cases import Deals
from benchmarks.faults.layer_a.hub import Hub
from benchmarks.faults.layer_a.world import install


@pytest.fixture
def bells() -> None:
    """These tests answer their bells; nothing records them instead."""


@pytest.fixture
def hub(transactional_db: None) -> Iterator[Hub]:
    """The hub in this process, with real commits and fake platforms."""
    made = Hub()
    with made.running():
        install(utc_now())
        yield made


@pytest.fixture
def deals(hub: Hub) -> Deals:
    return Deals(hub, ahead=4)
