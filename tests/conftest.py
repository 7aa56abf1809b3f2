"""Fixtures of all tests: a frozen moment, actors, a queue that records bells."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, settings

import q2c.celery  # noqa: F401 - makes the hub's Celery app the current one
from apps.core.principal import Actor

# How fast examples come says something about the machine, not about the hub.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now() -> dt.datetime:
    """The moment at which tests happen."""
    return NOW


@pytest.fixture
def actor() -> Actor:
    return Actor("system", "tests", "Tests")


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Bells that were rung, instead of a broker."""
    rung: list[tuple[str, tuple[str, ...]]] = []

    def ring(task: str, *ids: str, queue: str = "default", gap: float = 0.0) -> None:
        rung.append((task, ids))

    monkeypatch.setattr("apps.core.jobs.enqueue", ring)
    return rung
