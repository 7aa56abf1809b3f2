"""The verdict of a chunk: I1 to I12 at rest, from the platforms' ledgers and the hub's rows."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from benchmarks.faults.company import Trade
from benchmarks.faults.conductor import Struck
from benchmarks.faults.database import HubDatabase
from benchmarks.faults.evidence import gather
from benchmarks.faults.invariants import Breach, broken
from benchmarks.faults.ledgers import Ledgers
from benchmarks.faults.points import firings
from benchmarks.faults.sometimes import count
from benchmarks.faults.stack import Stack
from scenario.checker import Sums, unequal

# The web process has a pool that grows from 4 to 20, and shrinks after ten idle minutes.
MORE_CONNECTIONS = 16
RSS_LIMIT_MB = 250.0
POLL_SECONDS = 10.0
# I11: calls in an outage, of first tries and lookups; a probe each for the fault's start and end.
OUTAGE_KINDS = {"outage", "refuse_all", "refuse"}
OUTAGE_RATIO = Decimal("1.1")
SHOWN = 20  # breaches of one invariant that the report spells out

_DIFFERENT = re.compile(r"RESULT replay\.different (\d+)")
_RUNS = "SELECT definition, state, count(*) FROM workflows_workflowrun GROUP BY 1, 2"
_INVOICE_SUMS = """
SELECT e.code, i.currency, sum(i.gross) FROM canonical_invoice i
JOIN organisation_legalentity e ON e.id = i.legal_entity_id GROUP BY 1, 2
"""
_POSTINGS = """
SELECT reference, state, external_id, coalesce(amount::text, ''), currency
FROM postings_posting ORDER BY reference
"""
_TRIES = """
SELECT count(*) FILTER (WHERE t.kind <> 'send'), count(*) FILTER (WHERE t.kind = 'send'),
       count(DISTINCT t.posting_id) FILTER (WHERE t.kind = 'send')
FROM postings_attempt t JOIN postings_posting p ON p.id = t.posting_id
JOIN connectors_connection c ON c.id = p.connection_id
WHERE c.vendor = %s AND t.started_at BETWEEN %s::timestamptz
      AND %s::timestamptz + make_interval(secs => %s)
"""


def judge(
    stack: Stack,
    hub: HubDatabase,
    trade: Trade,
    faults: Sequence[Struck],
    left: Sequence[Mapping[str, str]],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Every breach, every counter and the hashes of both sides' ledgers."""
    ledgers = Ledgers(stack.run.state)
    breaches = broken(gather(stack, hub, ledgers))
    breaches += _transactions(hub, trade, ledgers)
    breaches += _three_sums(hub, ledgers)
    breaches += [Breach("I2", "ledger", words) for words in ledgers.twice()]
    breaches += [Breach("I9", row["number"], f"{row['code']}: {row['title']}") for row in left]
    breaches += _resources(stack, hub, before)
    breaches += _outage_calls(hub, faults)
    breaches += _doors(faults)
    breaches += _replays(stack)
    fired = firings(stack.failpoint_file)
    by_invariant = Counter(breach.invariant for breach in breaches)
    return {
        "breaches": _shown(breaches),
        "broken": dict(by_invariant),
        "lost": by_invariant["I1"],
        "duplicate": sum("documents of one posting" in b.words for b in breaches)
        + len(ledgers.twice()),
        "unequal_sums": by_invariant["I3"],
        "sometimes": count(hub, ledgers, faults, fired),
        "fired": len(fired),
        "ledgers": {**ledgers.digests(), "hub": _hub_digest(hub)},
        "entries": {vendor: len(lines) for vendor, lines in ledgers.by_vendor.items()},
    }


def _shown(breaches: Iterable[Breach]) -> list[dict[str, str]]:
    shown: Counter[str] = Counter()
    rows = []
    for breach in breaches:
        shown[breach.invariant] += 1
        if shown[breach.invariant] <= SHOWN:
            rows.append({"invariant": breach.invariant, "subject": breach.subject,
                         "words": breach.words})  # fmt: skip
    return rows


def _transactions(hub: HubDatabase, trade: Trade, ledgers: Ledgers) -> list[Breach]:
    """I1 from the other side: everything that business did has gone its whole way."""
    runs: Counter[tuple[str, str]] = Counter()
    for definition, state, number in hub.rows(_RUNS):
        runs[definition, state] += number
    wanted = {
        "order_activation": trade.done["quote"],
        "amendment": trade.done["amendment"],
        "invoice_posting": len(ledgers.billed()),
    }
    return [
        Breach("I1", name, f"{runs[name, 'completed']} completed of {number}: "
               + ", ".join(f"{n} {s}" for (d, s), n in sorted(runs.items()) if d == name))
        for name, number in wanted.items()
        if runs[name, "completed"] + runs[name, "compensated"] != number
    ]  # fmt: skip


def _three_sums(hub: HubDatabase, ledgers: Ledgers) -> list[Breach]:
    """I3: the hub's invoices, billing's and the ERP's agree; the ERP's books balance."""
    ours: Sums = {(entity, currency): gross for entity, currency, gross in hub.rows(_INVOICE_SUMS)}
    billed, booked = ledgers.sums()
    found = [
        Breach("I3", " ".join(key), f"hub {ours.get(key)}, billing {billed.get(key)}, "
               f"ERP {booked.get(key)}")
        for key in unequal(ours, billed, booked)
    ]  # fmt: skip
    balance = ledgers.trial_balance()
    return [*found, Breach("I3", "trial balance", f"{balance} is not 0")] if balance else found


def _resources(stack: Stack, hub: HubDatabase, before: Mapping[str, Any]) -> list[Breach]:
    """I10: at rest the hub holds no more than at the start."""
    found = []
    sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'q2c_app'"
    connections = int(hub.one(sql))
    if connections > before["connections"] + MORE_CONNECTIONS:
        words = f"{connections} connections, {before['connections']} at the start"
        found.append(Breach("I10", "PostgreSQL", words))
    if (rows := _least_moving(hub)) != 0:
        found.append(Breach("I10", "backlog", f"{rows} rows still move"))
    found += [
        Breach("I10", name, f"{megabytes} MB resident")
        for name, megabytes in stack.rss_mb().items()
        if megabytes > RSS_LIMIT_MB
    ]
    return found


def _least_moving(hub: HubDatabase) -> int:
    """The fewest rows in motion of some seconds: a poll of a platform moves a few now and then."""
    least = hub.moving()
    end = time.monotonic() + POLL_SECONDS
    while least != 0 and time.monotonic() < end:
        time.sleep(0.2)
        least = min(least, hub.moving())
    return least


def _outage_calls(hub: HubDatabase, faults: Iterable[Struck]) -> list[Breach]:
    """I11, over all outages of the chunk: few of them alone are too short to judge by."""
    sends = allowed = Decimal(0)
    for fault in faults:
        vendor = str(fault.notes.get("vendor") or fault.what.get("link") or "")
        if fault.kind in OUTAGE_KINDS and vendor in ("stripe", "netsuite", "salesforce",
                                                     "provisioning"):  # fmt: skip
            others, made, first = hub.rows(_TRIES, [vendor, fault.at, fault.at, fault.lasted_s])[0]
            sends += made + others
            allowed += first * OUTAGE_RATIO + others + 2
    if sends <= allowed:
        return []
    return [Breach("I11", "outages", f"{sends} calls where {allowed} would do")]


def _replays(stack: Stack) -> list[Breach]:
    """I7: every recorded run, decided again by the product's own command, takes the same path."""
    done = subprocess.run(
        [sys.executable, "manage.py", "replay_runs", "--all"], capture_output=True, text=True,
        check=False, env=stack.environment,
    )  # fmt: skip
    if "Unknown command" in done.stderr:  # a release that records no histories yet
        return []
    found = _DIFFERENT.search(done.stdout)
    different = int(found[1]) if found else -1
    return [Breach("I7", "replay", done.stdout[-400:] or done.stderr[-400:])] if different else []


def _doors(faults: Iterable[Struck]) -> list[Breach]:
    """I12: nothing forged, old or oversized was taken, whatever else was going on; and an export
    that was cut off did not look whole."""
    found = [
        Breach("I12", fault.kind, f"the door took {fault.notes['accepted_forgeries']} of them")
        for fault in faults
        if fault.notes.get("accepted_forgeries")
    ]
    return found + [
        Breach("I12", fault.kind, "half an export looked like a whole one")
        for fault in faults
        if fault.notes.get("looked_whole") and fault.notes.get("killed_midway")
    ]


def _hub_digest(hub: HubDatabase) -> str:
    text = "\n".join("|".join(map(str, row)) for row in hub.rows(_POSTINGS))
    return hashlib.sha256(text.encode()).hexdigest()
