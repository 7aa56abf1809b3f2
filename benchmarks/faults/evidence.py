"""The facts of the invariants, read from the platforms' ledgers and from the hub's rows."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.faults.claims import Dispatch, writes_of
from benchmarks.faults.database import HubDatabase
from benchmarks.faults.invariants import Facts, Link, Moved, Posted, Received, Write
from benchmarks.faults.ledgers import Ledgers
from benchmarks.faults.stack import Stack
from benchmarks.faults.traces import LEAVES, Meant, Trace, kind_of, traces

APPLIED = ("created", "changed")
TABLES = (
    "postings_posting", "workflows_workflowrun", "workflows_step", "ingestion_inboundevent",
    "exceptions_exceptioncase", "exceptions_deadletter",
)  # fmt: skip
_OPEN_CASE = """
EXISTS (SELECT FROM exceptions_exceptioncase x WHERE x.subject_id = {row}.id
        AND x.state IN ('open', 'assigned', 'snoozed', 'reopened'))
"""
_POSTINGS = f"""
SELECT c.vendor, p.operation, p.reference, p.state, p.ordering_key, p.sequence,
       coalesce(e.code, ''), p.currency, p.amount, {_OPEN_CASE.format(row="p")}
FROM postings_posting p JOIN connectors_connection c ON c.id = p.connection_id
LEFT JOIN organisation_legalentity e ON e.id = p.legal_entity_id
"""  # noqa: S608 - constants of this file
_MEANT = "SELECT operation, reference, coalesce(request, '{}') FROM postings_posting"
_EVENTS = f"""
SELECT c.code || ':' || d.message_id, e.state, e.ordering_key, e.source_version, e.outcome,
       e.processed_at, {_OPEN_CASE.format(row="e")}
FROM ingestion_inboundevent e JOIN ingestion_delivery d ON d.id = e.delivery_id
JOIN connectors_connection c ON c.id = e.connection_id
ORDER BY e.processed_at NULLS LAST, e.source_version, e.id
"""  # noqa: S608 - constants of this file
_EMPTY_DELIVERIES = """
SELECT c.code || ':' || d.message_id, d.split_at IS NOT NULL FROM ingestion_delivery d
JOIN connectors_connection c ON c.id = d.connection_id
WHERE NOT EXISTS (SELECT FROM ingestion_inboundevent e WHERE e.delivery_id = d.id)
"""
# A poll may find a message before its webhook comes: the page that it read is what was kept, and
# its events are judged under the page's own id.
_SEEN_BY_POLL = """
SELECT c.code || ':' || s.message_id,
       EXISTS (SELECT FROM ingestion_inboundevent e WHERE e.delivery_id = d.id)
FROM ingestion_seenmessage s JOIN connectors_connection c ON c.id = s.connection_id
JOIN ingestion_delivery d ON d.id = s.delivery_id AND d.channel = 'poll'
"""
_DISPATCHES = """
SELECT p.reference, t.token, t.started_at, t.finished_at
FROM postings_attempt t JOIN postings_posting p ON p.id = t.posting_id
WHERE t.token <> '' ORDER BY t.id
"""
_REFUSED = """
SELECT p.reference, r.token
FROM postings_refusedwrite r JOIN postings_posting p ON p.id = r.posting_id
"""
_UNSEALED = """
SELECT count(*) FROM events_event e WHERE e.occurred_at < clock_timestamp() - interval '10 s'
 AND NOT EXISTS (SELECT FROM events_seal s WHERE s.event_id = e.id)
"""


def gather(stack: Stack, hub: HubDatabase, ledgers: Ledgers) -> Facts:
    """Everything that a chunk's invariants are checked on, at rest.

    The hub's rows are read at one moment: a poll of a platform may bring new ones meanwhile.
    """
    delivered, links = ledgers.delivered(), _links(stack)
    with hub.at_one_moment():
        return Facts(
            accepted=sorted(f"{v}:{message}" for v, ids in delivered.items() for message in ids),
            received=_received(hub),
            postings=_postings(hub),
            documents=[trace.document for trace in read_traces(hub, ledgers)],
            writes=_writes(hub),
            moves=_moves(hub),
            states=_states(hub),
            links=links,
            unsealed=unsealed(hub),
        )


def unsealed(hub: HubDatabase) -> int:
    """Settled events that the hash chain does not hold yet."""
    return int(hub.one(_UNSEALED))


def _received(hub: HubDatabase) -> list[Received]:
    found = [
        Received(message, state, key, version, number if outcome in APPLIED else None, case)
        for number, (message, state, key, version, outcome, _, case) in enumerate(
            hub.rows(_EVENTS)
        )
    ]
    # A message may carry nothing that the hub acts on; it is kept all the same.
    empty = hub.rows(_EMPTY_DELIVERIES)
    found += [Received(m, "ignored" if split else "received") for m, split in empty]
    polled = hub.rows(_SEEN_BY_POLL)
    return found + [Received(m, "processed" if kept else "received") for m, kept in polled]


def _postings(hub: HubDatabase) -> list[Posted]:
    return [
        Posted(vendor, kind_of(operation), ref, state, key, sequence, entity,
               currency if operation in WITH_AMOUNT else "",
               abs(amount) if operation in WITH_AMOUNT and amount is not None else None, case)
        for vendor, operation, ref, state, key, sequence, entity, currency, amount, case
        in hub.rows(_POSTINGS)
        if operation in LEAVES
    ]  # fmt: skip


# Whose amount the platform's ledger states for the same document.
WITH_AMOUNT = ("invoice.create", "journal.create", "invoice.credit")


def read_traces(hub: HubDatabase, ledgers: Ledgers) -> list[Trace]:
    """What the hub's postings left in the platforms' ledgers."""
    return traces(ledgers.by_vendor, [Meant(*row) for row in hub.rows(_MEANT)])


def _writes(hub: HubDatabase) -> tuple[Write, ...]:
    refused = {(str(reference), str(token)) for reference, token in hub.rows(_REFUSED)}
    return writes_of([Dispatch(*row) for row in hub.rows(_DISPATCHES)], refused)


def _moves(hub: HubDatabase) -> list[Moved]:
    sql = ("SELECT table_name || ':' || row_id, from_state, to_state, actor "
           "FROM events_transition ORDER BY id")  # fmt: skip
    return [Moved(*row) for row in hub.rows(sql)]


def _states(hub: HubDatabase) -> dict[str, str]:
    states: dict[str, str] = {}
    for table in TABLES:
        rows = hub.rows(f"SELECT '{table}:' || id, state FROM {table}")  # noqa: S608 - constants
        states.update(rows)
    return states


def _links(stack: Stack) -> list[Link]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults.chain"], capture_output=True, text=True,
        check=True, env=stack.environment,
    )  # fmt: skip
    return [Link(*json.loads(line)) for line in done.stdout.splitlines()]
