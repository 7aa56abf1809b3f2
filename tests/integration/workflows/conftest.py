"""An installation of which every platform is a running simulator, and a hand that turns the crank:
the engine, the lanes and what they hear, one after the other, until nothing moves."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.connectors.rig import Simulator, start
from tests.integration.workflows.hub import VENDORS, Hub, install

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One xdist worker runs them all, so that the simulators are started once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("workflows"))


@pytest.fixture(scope="session")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Simulator]]:
    """The four simulators."""
    running = {vendor: start(vendor, tmp_path_factory.mktemp(vendor)) for vendor in VENDORS}
    names = {f"SIM_{vendor.upper()}_URL": each.url for vendor, each in running.items()}
    os.environ.update({**names, "HUB_URL": "http://127.0.0.1:9"})
    yield running
    for each in running.values():
        each.process.terminate()
    for each in running.values():
        each.process.wait(10)
    for name in [*names, "HUB_URL"]:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def installation(
    platforms: dict[str, Simulator], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The set-up document of the demo for these simulators, whose sides are seeded."""
    return install(tmp_path_factory.mktemp("setup") / "setup.json")


@pytest.fixture
def hub(
    transactional_db: Any, installation: dict[str, Any], platforms: dict[str, Simulator]
) -> Iterator[Hub]:
    """A hub with its connections and mappings, and no order yet."""
    made = Hub(installation, platforms)
    yield made
    for platform in platforms.values():
        platform.control("DELETE", "faults")
