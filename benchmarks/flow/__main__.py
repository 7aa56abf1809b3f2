"""``make bench-flow``: what the hub spends on amendments, beside the bare calls.

Amendments go through the running product: the CRM tells of each, the hub changes billing and
provisioning, posts to the ERP, reads back and writes back. A recorder between hub and platforms
keeps the hub's requests; a pooled client then sends again, byte for byte, those that amendments
need (``belonging``). Compared is user and system time: all processes of the hub with PostgreSQL,
whatever else they do meanwhile, against that client. QUICK=1: two rounds.
"""

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks.deals import plain_deals, sell
from benchmarks.flow.belonging import Kept, belonging, by_operation, named
from benchmarks.flow.recorder import Call, Recorder, write
from benchmarks.flow.spent import spent_by_role
from benchmarks.product import ask
from benchmarks.report import Figure, report
from scenario.drive import SalesTeam
from scenario.hub import wait_until
from scenario.watch import hub_state
from scenario.world import Deal

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 2 if QUICK else 5
EACH = 20  # amendments a round
VENDORS = ("salesforce", "stripe", "netsuite", "provisioning")
SETTLE_SECONDS = 300
_COMPLETED = (
    "SELECT count(*) FROM workflows_workflowrun WHERE definition = 'amendment' "
    "AND state = 'completed'"
)
_UNSETTLED = """
SELECT (SELECT count(*) FROM postings_posting WHERE state NOT IN ('confirmed', 'cancelled'))
     + (SELECT count(*) FROM workflows_workflowrun
        WHERE state IN ('pending', 'running', 'waiting'))
     + (SELECT count(*) FROM ingestion_inboundevent WHERE state IN ('received', 'processing'))
"""


# What was sent since a moment: of a posting when it was for that posting's own operation.
_KEPT = """
SELECT c.vendor, x.operation, x.method, x.path, coalesce(p.id::text, '')
FROM connectors_exchange x JOIN connectors_connection c ON c.id = x.connection_id
LEFT JOIN postings_posting p ON p.id = x.subject_id AND p.operation = x.operation
WHERE x.direction = 'out' AND x.outcome <> 'not_sent' AND c.vendor = ANY(%s) AND x.at >= %s
ORDER BY x.at, x.id
"""


@dataclass(frozen=True)
class Round:
    """One round: seconds of processor time by owner, and of the bare client; the calls of both by
    operation, and how many of an amendment the recorder did not see."""

    hub: dict[str, float]
    bare: float
    made: Counter[str]
    replayed: Counter[str]
    unseen: int
    wall: float

    @property
    def ratio(self) -> float:
        return sum(self.hub.values()) / self.bare


def main() -> int:
    story = plain_deals(ROUNDS * EACH, "F")
    sales = SalesTeam(dt.datetime.now(dt.UTC).date())
    sales.stock_catalogue()
    sell(sales, story)
    say(f"{len(story)} deals accepted; waiting until the hub has worked through them")
    _await(lambda: hub_state().moving == 0, "the deals")
    recorder = Recorder(_platform_ports())
    try:
        _point_connections_at(recorder.ports)
        rounds = [_round(sales, story, n, recorder) for n in range(ROUNDS)]
    finally:
        recorder.close()
    _print(rounds)
    return report(
        [
            Figure("flow.cpu_vs_bare", statistics.median(r.ratio for r in rounds), "x", "<=2"),
            # Without the amendments done the ratio would mean nothing.
            Figure("flow.amendments_missing", len(story) - ask(_COMPLETED), "runs", "0"),
            Figure("flow.calls_unseen", sum(r.unseen for r in rounds), "calls", "0"),
        ]
    )


def _round(sales: SalesTeam, story: list[Deal], number: int, recorder: Recorder) -> Round:
    """Some amendments by the hub, then the same calls by the bare client."""
    begun, before, done = time.monotonic(), spent_by_role(), ask(_COMPLETED)
    began_at = dt.datetime.now(dt.UTC)
    for deal in story[number * EACH : (number + 1) * EACH]:
        sales.amend(deal, more_seats=5, days_ago=1)
    _await(lambda: ask(_COMPLETED) == done + EACH and ask(_UNSETTLED) == 0, "the amendments")
    wall, after = time.monotonic() - begun, spent_by_role()
    hub = {owner: after[owner] - before.get(owner, 0.0) for owner in after}
    calls, unseen = named(recorder.calls_since(begun), _kept_since(began_at))
    needed = belonging(calls)
    bare = _replay([call for call, _ in needed])
    found = Round(
        hub, bare["cpu_s"], by_operation(calls), by_operation(needed),
        sum(one.belongs for one in unseen), wall,
    )  # fmt: skip
    say(
        f"  round {number + 1}: {EACH} amendments in {wall:.1f} s; calls of the hub "
        f"{found.made.total()}, replayed {found.replayed.total()}; "
        f"hub {sum(hub.values()):.2f} s, bare {found.bare:.2f} s, {found.ratio:.1f} x; "
        f"answers to the bare client: {bare['statuses']}"
    )
    return found


def _replay(calls: list[Call]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "calls.json")
        write(calls, _platform_ports(), path)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.flow.bare", path],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _kept_since(moment: dt.datetime) -> list[Kept]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        return [Kept(*row) for row in database.execute(_KEPT, [list(VENDORS), moment])]


def _platform_ports() -> dict[str, int]:
    return {v: int(urlsplit(os.environ[f"SIM_{v.upper()}_URL"]).port or 0) for v in VENDORS}


def _point_connections_at(ports: dict[str, int]) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        for vendor, port in ports.items():
            database.execute(
                "UPDATE connectors_connection SET base_url = %s WHERE vendor = %s",
                [f"http://127.0.0.1:{port}", vendor],
            )


def _print(rounds: list[Round]) -> None:
    total = len(rounds) * EACH
    say("Milliseconds of processor time an amendment:")
    for owner in rounds[0].hub:
        say(f"  {owner:12} {1000 * sum(r.hub[owner] for r in rounds) / total:7.1f}")
    say(f"  {'bare client':12} {1000 * sum(r.bare for r in rounds) / total:7.1f}")
    made = sum((r.made for r in rounds), Counter[str]())
    replayed = sum((r.replayed for r in rounds), Counter[str]())
    say("Calls an amendment, of the hub and of the bare client:")
    for operation, count in sorted(made.items()):
        say(f"  {operation:34} {count / total:6.2f} {replayed[operation] / total:6.2f}")


def _await(is_done: Any, what: str) -> None:
    if not wait_until(is_done, SETTLE_SECONDS, 0.5):
        raise SystemExit(f"The hub did not work through {what} within {SETTLE_SECONDS} s.")


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
