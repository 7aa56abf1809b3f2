"""Keeping what the platforms say: pages of documents, stored as sets."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection as database

from apps.connectors.base import SnapshotDocument, SnapshotPage
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.services import note_failure, note_success, open_session, pause_connection
from apps.core.codec import content_hash, dumps
from apps.core.errors import ConfigurationError, HubError
from apps.core.ids import uuid7
from apps.core.principal import system_actor
from apps.core.stopping import stopping
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.jobs.services import acquire_leases, release_leases
from apps.organisation.models import LegalEntity
from apps.snapshots.models import SourceDocumentLine
from apps.snapshots.types import READ, Stored

SNAPSHOTS = system_actor("snapshots.reader")
LEASE = dt.timedelta(seconds=75)
PAGES_AT_ONCE = 20

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


def refresh_connection(
    connection_id: str, *, worker: str, clock: Callable[[], dt.datetime]
) -> Stored:
    """Read what changed in one connection since the last reading and keep it.

    It shares the lease of the connection's reader, so that reading makes one call at a time
    (ADR-0011); it stops after 20 pages, and the next slot goes on at the cursor.
    """
    key = f"read:{connection_id}"
    if key not in acquire_leases([key], owner=worker, ttl=LEASE):
        return Stored(0, 0)
    connection = Connection.objects.get(id=connection_id)
    try:
        if connection.state != "active":
            return Stored(0, 0)
        return _refresh(connection, clock)
    except HubError as error:
        _note_error(connection, error, clock())
        return Stored(0, 0)
    finally:
        release_leases([key], owner=worker)


def _note_error(connection: Connection, error: HubError, now: dt.datetime) -> None:
    if isinstance(error, ConfigurationError):
        pause_connection(connection.id, reason=error.facts.message, actor=SNAPSHOTS, now=now)
        return
    note_failure(connection.id, error.facts, now=now)


def _refresh(connection: Connection, clock: Callable[[], dt.datetime]) -> Stored:
    given = changed = 0
    offered = connector_for(connection.vendor).snapshot_types
    for document_type in (t for t in READ.get(connection.role, ()) if t in offered):
        for _ in range(PAGES_AT_ONCE):
            begun = clock()
            page = asyncio.run(_page(connection, document_type))
            stored = _store_page(connection, document_type, page, begun)
            given, changed = given + stored.given, changed + stored.changed
            if not page.more or stopping():
                break
    if given:
        note_success(connection.id, now=clock())
    return Stored(given, changed)


async def _page(connection: Connection, document_type: str) -> SnapshotPage:
    connector = connector_for(connection.vendor)
    cursor = connection.snapshot_cursors.get(document_type, {}).get("cursor", {})
    async with open_session(connection) as session:
        return await connector.snapshot(session, document_type, cursor)


def _store_page(
    connection: Connection, document_type: str, page: SnapshotPage, begun: dt.datetime
) -> Stored:
    """Keep a page and move the cursor in one transaction.

    ``read_at`` moves only at the last page: until then, what is absent may only be unread. It is
    the moment before the page was asked for, so that nothing newer counts as read.
    """
    before = connection.snapshot_cursors.get(document_type, {})
    with acting(SNAPSHOTS):
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
    return stored


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
