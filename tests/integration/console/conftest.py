"""A signed-in browser without a browser, and the small world it looks at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from tests.factories.world import World, build_world


@pytest.fixture(autouse=True)
def static_root(settings: Settings, tmp_path: Path) -> None:
    """Pages need no collected static files."""
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def world(db: None) -> World:
    """A bit of everything."""
    return build_world(cases=14)


@pytest.fixture
def signed_in(world: World) -> Callable[[str], Client]:
    """A client of one of the world's users."""

    def sign_in(username: str) -> Client:
        client = Client()
        client.force_login(
            world.users[username], backend="apps.users.backends.LimitedModelBackend"
        )
        return client

    return sign_in
