"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

from q2c.stack.errors import StackError

# Below Linux's ephemeral range (32768-60999): an outgoing connection never takes a port between
# our check and its use.
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # Servers set this too; without it a connection in TIME_WAIT would make the port look
        # taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def random_free_port(taken: Collection[int] = ()) -> int:
    """A free port that is not among `taken`."""
    for _ in range(200):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - a choice, not a secret
        if port not in taken and is_free(port):
            return port
    raise StackError(f"No free port found between {LOWEST} and {HIGHEST} on 127.0.0.1.")


def next_free_port(preferred: int, taken: Collection[int] = ()) -> int:
    """The preferred port, or the next one above it that is free."""
    for port in range(preferred, min(preferred + 200, 65536)):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"No free port found from {preferred} on; set WEB_PORT to a free one.")
