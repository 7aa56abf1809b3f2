"""A platform that takes provisioning events over HTTP and answers late, or much too late."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.postings.models import Posting
from tests.factories.flow import ConnectionFactory, PostingFactory


class Platform(ThreadingHTTPServer):
    """``taken`` are the ids of the events it was sent, in order, repetitions included."""

    daemon_threads = True

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), Events)
        self.seconds = seconds
        self.over = threading.Event()
        self.taken: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Events(BaseHTTPRequestHandler):
    server: Platform

    def do_POST(self) -> None:
        self.server.taken.append(self.headers["webhook-id"])
        self.rfile.read(int(self.headers["content-length"]))
        self.server.over.wait(self.server.seconds)
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@contextmanager
def running(seconds: float) -> Iterator[Platform]:
    """A platform that answers after so many seconds."""
    server = Platform(seconds)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def owed_to(platform: Platform, count: int) -> list[Posting]:
    """Due postings of one connection, each with an ordering key of its own."""
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    connection: Connection = ConnectionFactory.create(
        code="provisioning", role="provisioning", base_url=platform.url, concurrency=4,
        secrets=seal({"signing_secret": secret}), config={"deadline_seconds": 60},
    )  # fmt: skip
    return [
        PostingFactory.create(
            connection_id=connection.id, operation="entitlement.provision",
            ordering_key=f"contract:{n}", payload={}, request={"subscription": f"sub_{n}"},
        )
        for n in range(count)
    ]  # fmt: skip
