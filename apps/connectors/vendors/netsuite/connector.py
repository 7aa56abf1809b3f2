"""NetSuite as a connector."""

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
from apps.connectors.errors import error_for
from apps.connectors.http import Session
from apps.connectors.vendors.netsuite.client import NetSuiteClient, read_limits
from apps.connectors.vendors.netsuite.documents import (
    find_document,
    read_document,
    write_document,
)
from apps.connectors.vendors.netsuite.schemas import RECORDS
from apps.connectors.vendors.netsuite.snapshots import snapshot_invoices

# What reading back shows of a record, where it is not all: a customer has no money; a journal has
# debits and credits, no tax and no gross total.
SHOWS = {"customer": frozenset[str](), "journalEntry": SHOWN - {"tax", "gross"}}


class NetSuiteConnector:
    """Settings: ``client_id``, ``certificate_id``. Credentials: ``private_key`` (PEM, RSA
    or elliptic). The account allows few calls at once: concurrency 4."""

    vendor = "netsuite"
    sends_webhooks = False
    capabilities: Mapping[str, Capability] = {
        operation: Capability(AfterUnknown.UNIQUE_REFERENCE, shows=SHOWS.get(kind, SHOWN))
        for operation, kind in RECORDS.items()
    }
    snapshot_types: tuple[str, ...] = ("invoice",)
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(read_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        raise BadDelivery("no_webhooks", "NetSuite sends no messages to this hub.", 404)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return []

    async def write(self, session: Session, call: OutboundCall) -> Written:
        return await write_document(session, call)

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        return await find_document(session, call)

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        return await read_document(session, call, written)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return []

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return Page([], cursor, more=False)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        if document_type != "invoice":
            raise error_for(
                "misconfigured", f"NetSuite has no snapshot of {document_type!r}, only of invoice."
            )
        return await snapshot_invoices(NetSuiteClient(session), cursor)
