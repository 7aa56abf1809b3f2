"""Fixtures of snapshots, reconciliation and journeys."""

import pytest

from tests.integration.reconciliation.world import World


@pytest.fixture
def world(db, actor, now) -> World:
    return World(actor, now)
