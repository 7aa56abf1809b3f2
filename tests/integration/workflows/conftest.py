"""Definitions that only these tests know with runs on them; and an installation of which every
platform is a running simulator, with a hand that turns the crank: the engine, the lanes and what
they hear, one after the other, until nothing moves."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.workflows import registry
from apps.workflows.definition import Definition, Done, Perform, StepForm, WaitFor
from apps.workflows.fingerprint import fingerprint_of
from apps.workflows.services import start_runs
from apps.workflows.types import RunDraft
from tests.builders.people import make_entities
from tests.contracts.connectors.rig import Simulator
from tests.contracts.connectors.rig import start as start_simulator
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
    running = {
        vendor: start_simulator(vendor, tmp_path_factory.mktemp(vendor)) for vendor in VENDORS
    }
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


CHAIN = ("first", "second", "third", "fourth")


def _done(facts):
    return Done({"after": sorted(facts["outputs"])})


def _load(ids):
    return {found: {"id": found} for found in ids}


def _chain(name, **decides):
    """Four steps, each after the one before."""
    steps = tuple(
        StepForm(step, decides.get(step, _done), CHAIN[place - 1 : place] if place else ())
        for place, step in enumerate(CHAIN)
    )
    return Definition(name, 1, "thing", name, steps, _load)


@pytest.fixture
def define(monkeypatch):
    """Register a chain of four steps, some of them deciding otherwise."""

    def register(name, **decides):
        definition = _chain(name, **decides)
        monkeypatch.setitem(registry._definitions, (name, 1), definition)
        monkeypatch.setitem(registry._fingerprints, (name, 1), fingerprint_of(definition))
        return definition

    return register


@pytest.fixture
def perform(monkeypatch):
    """Register an action and give the step that performs it."""

    def register(name, action):
        monkeypatch.setitem(registry._actions, name, action)
        return lambda facts: Perform(name)

    return register


@pytest.fixture
def wait_for():
    return lambda key: lambda facts: WaitFor(key)


@pytest.fixture
def start(db):
    """Start runs of a definition, one a subject."""
    entity = make_entities()["DE01"]

    def make(definition, count=1):
        drafts = []
        for number in range(count):
            subject = uuid.uuid4()
            drafts.append(
                RunDraft(
                    definition,
                    str(subject),
                    "thing",
                    subject,
                    f"T-{number}",
                    f"thing:{subject}",
                    entity.id,
                    uuid.uuid4(),
                )
            )
        return start_runs(drafts, now=utc_now())

    return make


@pytest.fixture
def end_leases():
    """Let every claim run out, as if its twenty seconds were over."""

    def end():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE workflows_workflowrun SET claimed_until = now() - interval '1 s', "
                "due_at = now() - interval '1 s' WHERE claimed_until IS NOT NULL"
            )

    return end
