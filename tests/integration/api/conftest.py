"""The API's tests need no collected static files."""

import pytest


@pytest.fixture(autouse=True)
def static_root(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
