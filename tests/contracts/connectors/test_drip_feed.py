"""REL-42: a server that sends a byte now and then does not hold a call beyond its deadline."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from apps.connectors.http import ExchangeRecord, Request, Session, new_client
from apps.core.errors import OutcomeUnknownError, TransientError

DEADLINE, SLACK = 1.0, 4.0  # the whole answer would take 200 s
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n"
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nx-slow: "
READ = Request("invoice.fetch", "GET", "/v1/invoices/in_1")
WRITE = Request("invoice.create", "POST", "/v1/invoices", content=b"{}", writes=True)


@contextmanager
def dripping(begins_with: bytes) -> Iterator[str]:
    """A server that answers at once and then a byte every 50 ms: it is never silent for long."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        caller, _ = listener.accept()
        with caller, suppress(OSError):
            caller.recv(65_536)
            caller.sendall(begins_with)
            while True:
                caller.sendall(b" ")
                time.sleep(0.05)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


async def _send(request: Request, url: str, kept: list[ExchangeRecord]) -> None:
    async with new_client() as client:
        config = {"deadline_seconds": DEADLINE}
        session = Session("Stripe", url, config, {}, client, kept.append)
        await session.send(request, lambda _: None)


@pytest.mark.parametrize("begins_with", [HEAD, HALF_A_HEAD], ids=["body", "head"])
@pytest.mark.parametrize(
    ("request_", "error"), [(READ, TransientError), (WRITE, OutcomeUnknownError)]
)
def test_a_drip_feed_ends_at_the_deadline(
    request_: Request, error: type[Exception], begins_with: bytes
) -> None:
    kept: list[ExchangeRecord] = []
    with dripping(begins_with) as url:
        begun = time.monotonic()
        with pytest.raises(error):
            asyncio.run(_send(request_, url, kept))
        took = time.monotonic() - begun
    assert DEADLINE <= took < DEADLINE + SLACK
    assert [record.outcome for record in kept] == ["no_answer"]
