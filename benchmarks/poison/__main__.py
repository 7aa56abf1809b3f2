"""``make bench-poison``: what messages that fail every time cost their neighbours.

A thousand callbacks of a thousand subjects go through the real workers, in turns without and with
ten poisons of several kinds in their midst, within half a second. Compared is the time from
arrival to the settled state, by the database's log: of all neighbours, and of those that arrived
within a second of a poison against the same places of the rounds without. Each poison must end
kept, dead, with one open case. QUICK=1: two rounds.
"""

import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.ingest.servers import workers
from benchmarks.ingest.setup import ensure_default_mapping, prepare
from benchmarks.report import Figure, report

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 2 if QUICK else 5
KEYS = 1000
PER_SECOND = 200
POISONED = range(400, 500, 10)  # the places of the poisons, one in a hundred of all
NEAR = range(min(POISONED) - PER_SECOND, max(POISONED) + PER_SECOND)  # within a second of one
DRAIN_SECONDS = 240  # the first round waits for the workers to be up

_LATENCIES = """
SELECT split_part(e.object_id, '-', 2)::int, extract(epoch FROM t.at - e.received_at)::float
FROM ingestion_inboundevent e
JOIN events_transition t ON t.row_id = e.id::text AND t.to_state = 'processed'
WHERE e.object_type = 'callback' AND e.object_id LIKE %s
"""
_KEPT = """
SELECT count(*) FROM ingestion_delivery d
WHERE d.message_id LIKE %s AND ARRAY['dead:1'] = ARRAY(
    SELECT e.state || ':' || (SELECT count(*) FROM exceptions_exceptioncase x
        WHERE x.subject_id = e.id AND x.state IN ('open', 'assigned', 'snoozed', 'reopened'))
    FROM ingestion_inboundevent e WHERE e.delivery_id = d.id)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds from arrival to processed at the 95th percentile: of all neighbours, and of those
    near the places of the poisons; and how many poisons did not end kept with one open case."""

    every: float
    near: float
    unkept: int = 0


def main() -> int:
    found: dict[str, list[Round]] = {"clean": [], "poisoned": []}
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        prepare(database)
        sources = _sources()
        with workers():
            _round(database, sources, is_poisoned=False)  # warms the processes up
            for number in range(ROUNDS):
                for name in sorted(found, reverse=bool(number % 2)):
                    one = _round(database, sources, is_poisoned=name == "poisoned")
                    found[name].append(one)
                    sys.stdout.write(
                        f"  round {number + 1} {name:8} p95 {one.every * 1000:.0f} ms, "
                        f"near the poisons {one.near * 1000:.0f} ms\n"
                    )
    return report(figures(found["clean"], found["poisoned"]))


def figures(clean: Sequence[Round], poisoned: Sequence[Round]) -> list[Figure]:
    """Medians of the rounds with poisons over medians of those without."""

    def ratio(of: Callable[[Round], float]) -> float:
        return statistics.median(map(of, poisoned)) / statistics.median(map(of, clean))

    unkept = sum(one.unkept for one in poisoned)
    return [
        Figure("poison.neighbours_p95_ratio", ratio(lambda one: one.every), "x", "<=1.5"),
        Figure("poison.near_p95_ratio", ratio(lambda one: one.near), "x", "<=1.5"),
        Figure("poison.without_one_open_case", unkept, "messages", "0"),
    ]


def percentiles(latencies: Sequence[tuple[int, float]], unkept: int) -> Round:
    """A round of neighbours, each with its place and its seconds."""
    near = [seconds for place, seconds in latencies if place in NEAR]
    return Round(_p95([seconds for _, seconds in latencies]), _p95(near), unkept)


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _sources() -> dict[str, uuid.UUID]:
    """A provisioning connection with its default mapping, and a billing one without any."""
    from apps.connectors.models import Connection
    from apps.connectors.services import ensure_connection
    from apps.connectors.types import ConnectionSpec
    from apps.core.clock import utc_now
    from apps.core.principal import system_actor

    actor, now = system_actor("benchmarks.poison"), utc_now()
    ensure_default_mapping("provisioning.callback.in")
    address = "https://provisioning.example"
    ensure_connection(
        ConnectionSpec("provisioning", "P", "provisioning", "provisioning", address),
        actor=actor, now=now,
    )  # fmt: skip
    return {row.vendor: row.id for row in Connection.objects.all()}


def _round(
    database: psycopg.Connection[Any], sources: dict[str, uuid.UUID], *, is_poisoned: bool
) -> Round:
    """A thousand events from arrival to processed; over when the poisons are dead as well, so
    that their retries are no burden of the next round."""
    run = uuid.uuid4().hex[:12]
    poisoned = POISONED if is_poisoned else range(0)
    started = time.monotonic()
    for number in range(KEYS):
        if number in poisoned:
            vendor, body = poison(poisoned.index(number), f"poison-{run}-{number}")
            _arrive(sources[vendor], f"poison-{run}-{number}", body)
        _arrive(sources["provisioning"], f"{run}-{number}", _callback(f"{run}-{number}"))
        time.sleep(max(0.0, started + number / PER_SECOND - time.monotonic()))
    deadline, found, kept = time.monotonic() + DRAIN_SECONDS, [], 0
    while time.monotonic() < deadline:
        found = database.execute(_LATENCIES, [f"{run}-%"]).fetchall()
        (kept,) = database.execute(_KEPT, [f"poison-{run}-%"]).fetchone() or (0,)
        if len(found) == KEYS and kept == len(poisoned):
            break
        time.sleep(0.2)
    if len(found) < KEYS:
        raise SystemExit(f"Only {len(found)} of {KEYS} were processed within {DRAIN_SECONDS} s.")
    return percentiles(found, len(poisoned) - kept)


def _arrive(connection_id: uuid.UUID, message_id: str, body: bytes) -> None:
    from apps.core.clock import utc_now
    from apps.ingestion.services import receive_delivery

    receive_delivery(
        connection_id=connection_id, channel="webhook", message_id=message_id, raw=body,
        headers={"content-type": "application/json"}, now=utc_now(),
    )  # fmt: skip


def _callback(subject: str, **changes: Any) -> bytes:
    event = {
        "specversion": "1.0", "id": subject, "source": "/p", "type": "entitlement.provisioned",
        "subject": subject, "time": "2026-11-23T12:00:00Z", "sequence": "1",
        "data": {"reference": subject, "subscription": subject}, **changes,
    }  # fmt: skip
    return json.dumps(event).encode()


def poison(number: int, name: str) -> tuple[str, bytes]:
    """Whose message it is, and its body; the kinds take turns: no JSON, nothing that it is about,
    a version that cannot be, a type that nobody knows, and an invoice for which no mapping is
    active, which fails every set that holds it and is tried five times."""
    invoice = {
        "id": f"evt_{name}", "object": "event", "type": "invoice.paid", "created": 1_764_000_000,
        "data": {"object": {"id": f"in_{name}", "object": "invoice"}},
    }  # fmt: skip
    kinds = (
        ("provisioning", _callback(name)[:-20]),
        ("provisioning", _callback(name, data={})),
        ("provisioning", _callback(name, time="2026-13-32T25:61:00Z", sequence="")),
        ("provisioning", _callback(name, type="entitlement.exploded")),
        ("stripe", json.dumps(invoice).encode()),
    )
    return kinds[number % len(kinds)]


if __name__ == "__main__":
    sys.exit(main())
