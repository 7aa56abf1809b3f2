"""Tryton as a connector."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import (
    SHOWN,
    AfterUnknown,
    BadDelivery,
    Capability,
    DoorConfig,
    InboundMessage,
    OutboundCall,
    Page,
    ReadBack,
    SnapshotPage,
    VerifiedBody,
    Written,
)
from apps.connectors.http import Session
from apps.connectors.limits import standard_limits
from apps.connectors.vendors.tryton.client import TrytonClient
from apps.connectors.vendors.tryton.documents import (
    MODELS,
    find_document,
    read_document,
    write_document,
)

# The company is fixed by the connection's database user, so a document does not show it.
SHOWS = {
    "party.party": frozenset[str](),
    "account.invoice": SHOWN - {"entity"},
    "account.move": frozenset({"net", "document_date", "period", "dimensions"}),
}


class TrytonConnector:
    """Settings: ``database``, ``login``. Credentials: ``password``."""

    vendor = "tryton"
    sends_webhooks = False
    capabilities: Mapping[str, Capability] = {
        operation: Capability(AfterUnknown.UNIQUE_REFERENCE, shows=SHOWS[model])
        for operation, model in MODELS.items()
    }
    snapshot_types: tuple[str, ...] = ()
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        raise BadDelivery("no_webhooks", "Tryton sends no messages to this hub.", 404)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return []

    async def write(self, session: Session, call: OutboundCall) -> Written:
        return await write_document(session, call)

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        return await find_document(TrytonClient(session), call)

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        return await read_document(TrytonClient(session), call, written)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return []

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return Page([], cursor, more=False)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return SnapshotPage([], cursor, more=False)
