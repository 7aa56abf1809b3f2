"""Keeping what the platforms say: pages of documents, stored as sets."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection as database

from apps.connectors.base import SnapshotDocument, SnapshotPage
from apps.connectors.http import Session
from apps.connectors.lanes.counts import count
from apps.connectors.lanes.lease import database_now
from apps.connectors.lanes.run import run_lane
from apps.connectors.lanes.work import CLAIM_TTL, Done, Job, Lane, Priority
from apps.connectors.models import Connection
from apps.core.codec import content_hash, dumps
from apps.core.ids import uuid7
from apps.core.jobs import enqueue
from apps.core.principal import system_actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.jobs.services import note_stale_writes
from apps.organisation.models import LegalEntity
from apps.snapshots.models import SourceDocumentLine
from apps.snapshots.types import READ, Stored

SNAPSHOTS = system_actor("snapshots.reader")

_UPSERT = """
INSERT INTO snapshots_sourcedocument AS kept (
    id, created_at, updated_at, connection_id, side, document_type, external_id, number,
    match_key, source_version, legal_entity_id, currency, period, document_date, gross, net, tax,
    status, customer_name, content_hash, read_at, rev)
SELECT d.id, %(now)s, %(now)s, %(connection)s, %(side)s, d.document_type, d.external_id, d.number,
    d.match_key, d.source_version, d.legal_entity_id, d.currency, d.period, d.document_date,
    d.gross, d.net, d.tax, d.status, d.customer_name, d.content_hash, %(now)s, 1
FROM jsonb_to_recordset(%(documents)s::jsonb) AS d(
    id uuid, document_type text, external_id text, number text, match_key text,
    source_version bigint, legal_entity_id uuid, currency text, period text, document_date date,
    gross numeric, net numeric, tax numeric, status text, customer_name text, content_hash text)
ON CONFLICT (connection_id, document_type, external_id) DO UPDATE SET
    number = excluded.number, match_key = excluded.match_key,
    source_version = excluded.source_version, legal_entity_id = excluded.legal_entity_id,
    currency = excluded.currency, period = excluded.period,
    document_date = excluded.document_date, gross = excluded.gross, net = excluded.net,
    tax = excluded.tax, status = excluded.status, customer_name = excluded.customer_name,
    content_hash = excluded.content_hash, read_at = excluded.read_at, side = excluded.side,
    updated_at = excluded.updated_at, rev = kept.rev + 1
WHERE kept.content_hash <> excluded.content_hash
  AND kept.source_version <= excluded.source_version
RETURNING id, document_type, external_id
"""

Key = tuple[str, str]


def store_documents(
    connection: Connection, documents: Sequence[SnapshotDocument], *, now: dt.datetime
) -> Stored:
    """Keep a page of documents of one connection; ``now`` (UTC) is when it was read.

    A document that did not change keeps its row and its ``rev``; a changed one gets the next
    ``rev`` and its lines anew. A source version older than the kept one changes nothing. The same
    document twice in one page counts once, with its last reading.
    """
    latest: dict[Key, SnapshotDocument] = {(d.document_type, d.external_id): d for d in documents}
    if not latest:
        return Stored(0, 0)
    entities = dict(LegalEntity.objects.values_list("code", "id"))
    rows = [_row(document, entities) for document in latest.values()]
    with acting(SNAPSHOTS):
        changed = _upsert(connection, rows, now)
        _replace_lines(changed, latest)
    return Stored(len(latest), len(changed))


def _row(document: SnapshotDocument, entities: Mapping[str, Any]) -> dict[str, Any]:
    columns = (
        "document_type", "external_id", "number", "match_key", "source_version", "currency",
        "period", "document_date", "gross", "net", "tax", "status", "customer_name",
    )  # fmt: skip
    content = {name: getattr(document, name) for name in columns}
    lines = [[getattr(line, name) for name in line.__slots__] for line in document.lines]
    facts = {k: v for k, v in content.items() if k != "source_version"}
    return {
        **content,
        "id": uuid7(),
        "legal_entity_id": entities.get(document.entity),
        "content_hash": content_hash([facts, document.entity, lines]),
    }


def _upsert(
    connection: Connection, rows: Sequence[Mapping[str, Any]], now: dt.datetime
) -> dict[Key, Any]:
    arguments: dict[str, Any] = {
        "now": now,
        "connection": connection.id,
        "side": connection.role,
        "documents": dumps(rows),
    }
    with database.cursor() as cursor:
        cursor.execute(_UPSERT, arguments)
        return {(kind, external_id): pk for pk, kind, external_id in cursor.fetchall()}


def _replace_lines(changed: Mapping[Key, Any], latest: Mapping[Key, SnapshotDocument]) -> None:
    SourceDocumentLine.objects.filter(document_id__in=list(changed.values())).delete()
    SourceDocumentLine.objects.bulk_create(
        [
            SourceDocumentLine(
                document_id=pk,
                position=position,
                item=line.item[:120],
                description=line.description[:250],
                quantity=line.quantity,
                unit_price=line.unit_price,
                net=line.net,
                tax=line.tax,
            )
            for key, pk in changed.items()
            for position, line in enumerate(latest[key].lines, 1)
        ],
        batch_size=2000,
    )


def ask_for_readings() -> None:
    """Ring for a reading of every active connection; the scheduler does it once a minute."""
    for pk in Connection.objects.filter(state="active").values_list("id", flat=True):
        enqueue("snapshots.refresh", str(pk), queue="lanes")


def refresh_connection(connection_id: str, *, worker: str) -> None:
    """Read what changed in one connection since the last reading and keep it.

    The pages are asked for in the connection's lane, after everything else that is due there
    (ADR-0019); what this holding of the lane does not reach, the next one reads.
    """
    Connection.objects.filter(id=connection_id, snapshot_due_at__isnull=True).update(
        snapshot_due_at=database_now()
    )
    run_lane(connection_id, worker=worker)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A page that was asked for: of which type, due since when, asked for when, from where."""

    document_type: str
    due_at: dt.datetime
    begun: dt.datetime
    cursor: Mapping[str, Any]


class SnapshotPages:
    """Pages of the documents that a platform keeps, one type after the other."""

    name, priority = "snapshots.page", Priority.SNAPSHOT

    def claim(self, lane: Lane, room: int) -> Sequence[Job]:
        """The next page, when a reading is due."""
        row = lane.connection
        if lane.draining or row.snapshot_due_at is None or row.snapshot_due_at > lane.now:
            return []
        due_at = row.snapshot_due_at
        document_type = _unread(lane, due_at)
        if document_type is None:
            Connection.objects.filter(id=row.id).update(snapshot_due_at=None)
            return []
        claimed = Connection.objects.filter(id=row.id, snapshot_due_at=due_at)
        if not claimed.update(snapshot_due_at=lane.now + CLAIM_TTL):
            return []
        count(row.id, reads=1)
        cursor = _cursor_of(row, document_type)

        async def run(session: Session) -> SnapshotPage:
            return await lane.connector.snapshot(session, document_type, cursor)

        return [Job(_Wanted(document_type, due_at, lane.now, cursor), run, lane.born)]

    def renew(self, lane: Lane, jobs: Sequence[Job]) -> None:
        row = Connection.objects.filter(id=lane.connection.id)
        row.update(snapshot_due_at=lane.now + CLAIM_TTL)

    def settle(self, lane: Lane, done: Sequence[Done]) -> None:
        """Keep the page and go on; a failed reading waits for its next slot."""
        for one in done:
            wanted: _Wanted = one.job.item
            due_at = wanted.due_at if one.error is None else None
            if one.error is None and not _store_page(lane.connection.id, wanted, one.value):
                continue
            Connection.objects.filter(id=lane.connection.id).update(snapshot_due_at=due_at)


def _cursor_of(row: Connection, document_type: str) -> Mapping[str, Any]:
    cursor: Mapping[str, Any] = row.snapshot_cursors.get(document_type, {}).get("cursor", {})
    return cursor


def _unread(lane: Lane, due_at: dt.datetime) -> str | None:
    """The first type that was not read to its end since the reading fell due."""
    for document_type in READ.get(lane.connection.role, ()):
        read_at = lane.connection.snapshot_cursors.get(document_type, {}).get("read_at")
        if document_type in lane.connector.snapshot_types and (
            read_at is None or dt.datetime.fromisoformat(read_at) < due_at
        ):
            return document_type
    return None


def _store_page(connection_id: uuid.UUID, wanted: _Wanted, page: SnapshotPage) -> bool:
    """Keep a page and move the cursor in one transaction. False when another worker has moved the
    cursor since the page was asked for; nothing is kept then.

    ``read_at`` moves only at the last page: until then, what is absent may only be unread. It is
    the moment before the page was asked for, so that nothing newer counts as read.
    """
    document_type, begun = wanted.document_type, wanted.begun
    with acting(SNAPSHOTS):
        connection = Connection.objects.select_for_update().get(id=connection_id)
        if _cursor_of(connection, document_type) != wanted.cursor:
            note_stale_writes("snapshots.page", 1)
            return False
        before = connection.snapshot_cursors.get(document_type, {})
        stored = store_documents(connection, page.documents, now=begun)
        connection.snapshot_cursors[document_type] = {
            "cursor": dict(page.cursor),
            "read_at": before.get("read_at") if page.more else begun.isoformat(),
        }
        connection.save(update_fields=["snapshot_cursors"])
        first_reading = not page.more and before.get("read_at") is None
        if stored.changed or first_reading:
            event = _refreshed(connection, document_type, stored)
            publish_events([event], actor=SNAPSHOTS, now=begun)
    return True


def _refreshed(connection: Connection, document_type: str, stored: Stored) -> NewEvent:
    return NewEvent(
        type="snapshot.refreshed",
        aggregate_type="connection",
        aggregate_id=connection.id,
        legal_entity_id=connection.legal_entity_id,
        data={
            "side": connection.role,
            "document_type": document_type,
            "changed": stored.changed,
        },
    )
