"""REL-02: no module on the way of a webhook reaches the broker, its clients or the doorbell."""

import grimp
import pytest

DOOR = (
    "apps.api.webhook_app", "apps.api.webhooks", "apps.api.door",
    "apps.ingestion.services.door",
)  # fmt: skip
FORBIDDEN = (
    "celery", "redis", "channels", "apps.core.bells", "apps.core.jobs", "apps.connectors.services",
)  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("apps", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("module", DOOR)
def test_the_door_imports_no_broker(graph, module):
    assert set(FORBIDDEN) <= graph.modules  # the names are those of real modules
    chains = {name: graph.find_shortest_chain(module, name) for name in FORBIDDEN}
    assert {name: chain for name, chain in chains.items() if chain} == {}
