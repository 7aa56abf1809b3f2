"""``python -m benchmarks.flow.bare FILE``: the recorded calls once more, by a pooled raw client.

No hub, no database: the same bytes to the same platforms, the answers read to their end. Prints
the processor time that took, without starting and reading the file.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx


def main(path: str) -> int:
    requests = [_request(call) for call in json.loads(Path(path).read_text())]
    statuses: Counter[int] = Counter()
    with httpx.Client(trust_env=False, timeout=30) as client:
        begun = time.process_time()
        for method, url, headers, body in requests:
            statuses[client.request(method, url, headers=headers, content=body).status_code] += 1
        spent = time.process_time() - begun
    json.dump({"cpu_s": spent, "calls": len(requests), "statuses": statuses}, sys.stdout)
    return 0


def _request(call: dict[str, Any]) -> tuple[str, str, list[tuple[str, str]], bytes]:
    first, *lines = call["head"].split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = [line.partition(":") for line in lines]
    headers = [(name, value.strip()) for name, _, value in pairs]
    return (
        method,
        f"http://127.0.0.1:{call['port']}{target}",
        headers,
        call["body"].encode("latin-1"),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
