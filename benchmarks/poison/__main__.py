"""``make bench-poison``: what one event that fails every time costs its neighbours.

A thousand callbacks of a thousand subjects go through the real workers, in turns without and with
a poison event in their midst: an invoice for which no mapping is active, so that every set that
holds it fails. Compared is the time from arrival to the settled state, by the database's log.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

from benchmarks.ingest.servers import ROOT
from benchmarks.ingest.setup import prepare
from benchmarks.report import Figure, report
from q2c.stack.processes import PROCESSES

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 2 if QUICK else 5
KEYS = 1000
PER_SECOND = 200
DRAIN_SECONDS = 240  # the first round waits for the workers to be up

_LATENCY = """
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM t.at - e.received_at)),
       count(*)
FROM ingestion_inboundevent e JOIN ingestion_delivery d ON d.id = e.delivery_id
JOIN events_transition t ON t.row_id = e.id::text AND t.to_state = 'processed'
WHERE e.object_type = 'callback' AND e.object_id LIKE %s
"""


def main() -> int:
    found: dict[str, list[float]] = {"clean": [], "poisoned": []}
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        prepare(database)
        sources = _sources()
        with _workers():
            _round(database, sources, is_poisoned=False)  # warms the processes up
            for number in range(ROUNDS):
                for name in sorted(found, reverse=bool(number % 2)):
                    p95 = _round(database, sources, is_poisoned=name == "poisoned")
                    found[name].append(p95)
                    sys.stdout.write(f"  round {number + 1} {name:8} p95 {p95 * 1000:.0f} ms\n")
    clean, poisoned = (statistics.median(found[name]) for name in ("clean", "poisoned"))
    return report([Figure("poison.neighbours_p95_ratio", poisoned / clean, "x", "<=1.5")])


def _sources() -> dict[str, uuid.UUID]:
    """A provisioning connection with its default mapping, and a billing one without any."""
    from apps.api.setup.load import DEFAULTS
    from apps.connectors.models import Connection
    from apps.connectors.services import ensure_connection
    from apps.connectors.types import ConnectionSpec
    from apps.core.clock import utc_now
    from apps.core.principal import system_actor
    from apps.mappings.services import ensure_mappings
    from apps.mappings.types import MappingSpec

    actor, now = system_actor("benchmarks.poison"), utc_now()
    given = json.loads((DEFAULTS / "provisioning.callback.in.json").read_text())
    spec = MappingSpec(
        given["code"], given["name"], "field", given["source"], given["target"], given["rules"]
    )
    ensure_mappings([spec], actor=actor, now=now)
    address = "https://provisioning.example"
    ensure_connection(
        ConnectionSpec("provisioning", "P", "provisioning", "provisioning", address),
        actor=actor, now=now,
    )  # fmt: skip
    return {row.vendor: row.id for row in Connection.objects.all()}


@contextmanager
def _workers() -> Iterator[None]:
    """The product's own workers and scheduler."""
    table = [spec for spec in PROCESSES if spec.name in ("worker", "lanes", "scheduler")]
    with ExitStack() as stack:
        for spec in table:
            words = [sys.executable, *spec.arguments.split()]
            process = subprocess.Popen(words, cwd=ROOT)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        yield


def _round(
    database: psycopg.Connection[Any], sources: dict[str, uuid.UUID], *, is_poisoned: bool
) -> float:
    """The 95th percentile, in seconds, of a thousand events from arrival to processed."""
    run = uuid.uuid4().hex[:12]
    started = time.monotonic()
    for number in range(KEYS):
        if is_poisoned and number == KEYS // 4:
            _arrive(sources["stripe"], f"{run}-poison", _invoice(run))
        _arrive(sources["provisioning"], f"{run}-{number}", _callback(f"{run}-{number}"))
        time.sleep(max(0.0, started + number / PER_SECOND - time.monotonic()))
    deadline, count = time.monotonic() + DRAIN_SECONDS, 0
    while time.monotonic() < deadline:
        p95, count = database.execute(_LATENCY, [f"{run}-%"]).fetchone() or (0.0, 0)
        if count == KEYS:
            return float(p95)
        time.sleep(0.2)
    raise SystemExit(f"Only {count} of {KEYS} events were processed within {DRAIN_SECONDS} s.")


def _arrive(connection_id: uuid.UUID, message_id: str, body: bytes) -> None:
    from apps.core.clock import utc_now
    from apps.ingestion.services import receive_delivery

    receive_delivery(
        connection_id=connection_id, channel="webhook", message_id=message_id, raw=body,
        headers={"content-type": "application/json"}, now=utc_now(),
    )  # fmt: skip


def _callback(subject: str) -> bytes:
    event = {
        "specversion": "1.0", "id": subject, "source": "/p", "type": "entitlement.provisioned",
        "subject": subject, "time": "2026-11-23T12:00:00Z", "sequence": "1",
        "data": {"reference": subject, "subscription": subject},
    }  # fmt: skip
    return json.dumps(event).encode()


def _invoice(run: str) -> bytes:
    event = {
        "id": f"evt_{run}", "object": "event", "type": "invoice.paid", "created": 1_764_000_000,
        "data": {"object": {"id": f"in_{run}", "object": "invoice"}},
    }  # fmt: skip
    return json.dumps(event).encode()


if __name__ == "__main__":
    sys.exit(main())
