"""Reads of snapshots."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet

from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.organisation.models import LegalEntity
from apps.snapshots.models import SourceDocument, SourceDocumentLine
from apps.snapshots.types import SIDES, DocumentView, LineView, SideReading

NEWEST = 500  # documents whose items are offered to choose from


def list_documents(principal: Principal) -> ScopedQuerySet:
    """Documents a principal may see, newest reading first."""
    return SourceDocument.objects.visible_to(principal).order_by("-read_at", "-id")


def side_readings(document_type: str) -> list[SideReading]:
    """Who keeps documents of this type, by side, and how fresh our copy is.

    Paused connections count too: what they keep does not vanish because we stopped reading. A
    shadow ledger (``config.shadow``) is no side of its own.
    """
    connections = Connection.objects.filter(role__in=SIDES).order_by("code")
    return [
        SideReading(
            side=connection.role,
            connection_id=connection.id,
            connection=connection.name,
            legal_entity_id=connection.legal_entity_id,
            read_at=_read_at(connection.snapshot_cursors.get(document_type, {})),
        )
        for connection in connections
        if document_type in connector_for(connection.vendor).snapshot_types
        and not connection.config.get("shadow")
    ]


def _read_at(cursor: dict[str, Any]) -> dt.datetime | None:
    text = cursor.get("read_at")
    return dt.datetime.fromisoformat(text) if text else None


def documents_in_full(documents: QuerySet[SourceDocument]) -> list[DocumentView]:
    """Documents with their lines, entity code and the name of their system; three queries."""
    found = list(documents.prefetch_related("lines").order_by("side", "number", "id"))
    systems = dict(
        Connection.objects.filter(id__in={d.connection_id for d in found}).values_list(
            "id", "name"
        )
    )
    entities = dict(LegalEntity.objects.values_list("id", "code"))
    return [_view(document, systems, entities) for document in found]


def _view(
    document: SourceDocument, systems: dict[Any, str], entities: dict[Any, str]
) -> DocumentView:
    return DocumentView(
        side=document.side,
        system=systems.get(document.connection_id, ""),
        document_type=document.document_type,
        external_id=document.external_id,
        number=document.number,
        entity=entities.get(document.legal_entity_id, ""),
        currency=document.currency,
        net=document.net,
        tax=document.tax,
        gross=document.gross,
        status=document.status,
        document_date=document.document_date,
        customer=document.customer_name,
        read_at=document.read_at,
        lines=tuple(
            LineView(
                line.item, line.description, line.quantity, line.unit_price, line.net, line.tax
            )
            for line in document.lines.all()
        ),
    )


def items_seen(vendor: str, among: Collection[str] = (), *, limit: int = 300) -> list[str]:
    """Items that documents read from a vendor carry: those of ``among``, or of the newest
    documents, in order."""
    connections = Connection.objects.filter(vendor=vendor).values("id")
    lines = SourceDocumentLine.objects.filter(document__connection_id__in=connections)
    if among:
        lines = lines.filter(item__in=among)
    else:
        documents = SourceDocument.objects.filter(connection_id__in=connections)
        newest = documents.order_by("-read_at").values_list("id", flat=True)[:NEWEST]
        lines = lines.filter(document_id__in=list(newest))
    found = lines.exclude(item="").order_by("item").values_list("item", flat=True).distinct()
    return list(found[:limit])
