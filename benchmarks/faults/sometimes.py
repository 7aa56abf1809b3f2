"""What a campaign must have met at least so often; one that met less was too weak to say much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.faults.conductor import Struck
from benchmarks.faults.database import HubDatabase
from benchmarks.faults.evidence import read_traces
from benchmarks.faults.ledgers import Ledgers

# name → minimum of the tiers. Release: as the reliability plan asks of 10,000 transactions and
# 500 faults. Milestone: a fifth, as it has a fifth of both. CI: a few of each, as
# its 20 faults hold the kinds that lead there (``plan.FIRST``).
MINIMA: dict[str, dict[str, int]] = {
    "unknown_found": {"ci": 4, "milestone": 4, "release": 20},
    "unknown_absent_then_sent": {"ci": 1, "milestone": 4, "release": 20},
    "stale_write_refused": {"ci": 1, "milestone": 2, "release": 10},
    "duplicate_webhook_suppressed": {"ci": 100, "milestone": 100, "release": 500},
    "held_for_an_earlier_one": {"ci": 20, "milestone": 20, "release": 100},
    "circuit_opened_and_closed": {"ci": 1, "milestone": 2, "release": 10},
    "dead_letter_redriven": {"ci": 1, "milestone": 4, "release": 20},
    "compensated": {"ci": 2, "milestone": 4, "release": 20},
    "commit_unknown_resolved": {"ci": 1, "milestone": 1, "release": 5},
    "lost_bell_swept": {"ci": 1, "milestone": 4, "release": 20},
    "decided_by_people": {"ci": 1, "milestone": 1, "release": 5},
}

_LOST_TRACK = """
SELECT c.vendor, p.reference, min(t.at)
FROM events_transition t JOIN postings_posting p ON p.id::text = t.row_id
JOIN connectors_connection c ON c.id = p.connection_id
WHERE t.table_name = 'postings_posting' AND t.to_state = 'unknown' GROUP BY 1, 2
"""
_HELD = """
SELECT (SELECT count(*) FROM events_transition WHERE table_name = 'ingestion_inboundevent'
        AND to_state = 'waiting' AND from_state <> '')
     + (SELECT count(*) FROM events_transition t JOIN workflows_step s ON s.id::text = t.row_id
        WHERE t.table_name = 'workflows_step' AND t.to_state = 'waiting'
        AND s.name = 'order_booked')
"""
_DECIDED = """
SELECT count(*) FROM approvals_approval WHERE kind = 'outcome_decision' AND state = 'approved'
"""
# Each refusal once: of what is received, read and compared; of postings; of runs.
_REFUSED = """
SELECT (SELECT coalesce(sum(count), 0) FROM jobs_stalewrite)
     + (SELECT count(*) FROM postings_refusedwrite)
     + (SELECT count(*) FROM events_event WHERE type = 'run.stale_refused')
"""
# The doer dies or is cut off between its COMMIT and the news of it: what it had in hand, and what
# of that has its end now. Who posts is named in each of its tries; who takes in is not, so all
# bodies of that second must have theirs.
_TRIES = """
SELECT count(*), count(*) FILTER (WHERE p.state IN ('confirmed', 'cancelled'))
FROM postings_attempt t JOIN postings_posting p ON p.id = t.posting_id
WHERE t.worker LIKE %(worker)s AND t.started_at <= to_timestamp(%(at)s)
  AND coalesce(t.finished_at, 'infinity') > to_timestamp(%(at)s) - interval '1 s'
"""
_BODIES = """
SELECT count(*), count(*) FILTER (WHERE d.split_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM ingestion_inboundevent e WHERE e.delivery_id = d.id
    AND e.state NOT IN ('processed', 'ignored', 'dead')))
FROM ingestion_delivery d
WHERE d.created_at BETWEEN to_timestamp(%(at)s) - interval '1 s' AND to_timestamp(%(at)s)
"""
_UNSURE = {"posting.after_commit": _TRIES, "inbox.after_commit_before_response": _BODIES}
# A platform that takes an order and carries it out afterwards writes its ledger that much later.
LATER = {"provisioning": dt.timedelta(seconds=1)}


def count(
    hub: HubDatabase,
    ledgers: Ledgers,
    faults: Iterable[Struck],
    firings: Iterable[Mapping[str, Any]],
) -> dict[str, int]:
    """Every counter of a chunk, at rest."""
    found, absent = _after_unknown(hub, ledgers)
    closed = "SELECT count(*) FROM events_event WHERE type = 'connection.circuit_closed'"
    redriven = "SELECT count(*) FROM exceptions_deadletter WHERE state = 'redriven'"
    compensated = "SELECT count(*) FROM workflows_workflowrun WHERE state = 'compensated'"
    suppressed = "SELECT coalesce(sum(duplicates), 0) FROM ingestion_seenmessage"
    return {
        "unknown_found": found,
        "unknown_absent_then_sent": absent,
        "stale_write_refused": int(hub.one(_REFUSED)),
        "duplicate_webhook_suppressed": int(hub.one(suppressed)),
        "held_for_an_earlier_one": int(hub.one(_HELD)),
        "circuit_opened_and_closed": int(hub.one(closed)),
        "dead_letter_redriven": int(hub.one(redriven)),
        "compensated": int(hub.one(compensated)),
        "commit_unknown_resolved": sum(_is_resolved(hub, line) for line in firings),
        "lost_bell_swept": sum(swept(fault) for fault in faults),
        "decided_by_people": int(hub.one(_DECIDED)),
    }


def swept(fault: Struck) -> int:
    """Bells that were lost with work behind them which was done all the same: no more than the
    rows that were owed without a bell, and none when some of those stayed."""
    if "still_owed" in fault.notes:
        return 0
    return min(int(fault.notes.get("bells_lost", 0)), fault.owed)


def _is_resolved(hub: HubDatabase, line: Mapping[str, Any]) -> bool:
    """Whether a firing left somebody unsure of a COMMIT, and all that was in it has its end."""
    query = _TRIES if line["action"] == "drop" else _UNSURE.get(str(line["point"]))
    if query is None:
        return False
    held, ended = hub.rows(query, {"worker": f"%:{line['pid']}", "at": line["at"]})[0]
    return bool(held) and held == ended


def _after_unknown(hub: HubDatabase, ledgers: Ledgers) -> tuple[int, int]:
    """Postings that lost track of their call, by what the platform's ledger says of the moment:
    the document stood already, or was written afterwards."""
    written: dict[tuple[str, str], dt.datetime] = {}
    for trace in read_traces(hub, ledgers):
        written.setdefault((trace.document.platform, trace.document.reference), trace.at)
    found = absent = 0
    for vendor, reference, lost_at in hub.rows(_LOST_TRACK):
        at = written.get((vendor, reference))
        if at is not None:
            stood = at <= lost_at + LATER.get(vendor, dt.timedelta(0))
            found += stood
            absent += not stood
    return found, absent


def unreached(counted: Mapping[str, int], tier: str) -> list[str]:
    """Counters below the tier's minimum."""
    return [name for name, least in MINIMA.items() if counted.get(name, 0) < least[tier]]
