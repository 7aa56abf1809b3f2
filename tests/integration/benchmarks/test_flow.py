"""The recorder of ``make bench-flow`` keeps what a client sends, byte by byte."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from benchmarks.flow import bare
from benchmarks.flow.recorder import Recorder, write


class _Platform(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.heard.append((self.command, self.path, self.headers.get("X-Key"), body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = _answer

    def log_message(self, *_words):
        pass


@pytest.fixture
def platform():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Platform)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_recorded_calls_are_sent_again_with_the_same_bytes(platform, tmp_path, capsys):
    begun, recorder = time.monotonic(), Recorder({"stripe": platform.server_port})
    try:
        base = f"http://127.0.0.1:{recorder.ports['stripe']}"
        with httpx.Client(trust_env=False) as client:
            client.post(
                f"{base}/v1/things", content=b"a\r\n\r\nb" * 30_000, headers={"X-Key": "k"}
            )
            client.get(f"{base}/v1/things?limit=1")
        calls = recorder.calls_since(begun)
    finally:
        recorder.close()
    file = tmp_path / "calls.json"
    write(calls, {"stripe": platform.server_port}, str(file))
    first, platform.heard = list(platform.heard), []
    assert bare.main(str(file)) == 0
    assert platform.heard == first
    assert [heard[0] for heard in first] == ["POST", "GET"]
    spent = json.loads(capsys.readouterr().out)
    assert (spent["calls"], spent["statuses"]) == (2, {"200": 2})
