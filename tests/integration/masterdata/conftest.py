"""The same installation as the canonical records are tested in."""

from tests.integration.canonical.conftest import installed, receive

__all__ = ["installed", "receive"]
