"""Salesforce CPQ as a connector."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import (
    AfterUnknown,
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
from apps.connectors.vendors.salesforce import reads, webhooks
from apps.connectors.vendors.salesforce.client import SalesforceClient, read_limits
from apps.connectors.vendors.salesforce.schemas import is_id, plain, soql_list


class SalesforceConnector:
    """Settings: ``organization_id``, ``client_id``, ``username`` and ``audience`` for a JWT
    bearer. Credentials: ``private_key`` (PEM) or ``client_secret``; ``door_tokens`` (list)."""

    vendor = "salesforce"
    sends_webhooks = True
    capabilities: Mapping[str, Capability] = {
        # A PATCH of the same values by id is the same record, however often it arrives.
        "quote.write_back": Capability(AfterUnknown.UNIQUE_REFERENCE, shows=frozenset()),
    }
    snapshot_types: tuple[str, ...] = ("contract",)
    fetched_types: tuple[str, ...] = ("quote",)
    limits = staticmethod(read_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        return webhooks.verify(door, headers, body)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return webhooks.split(body)

    async def write(self, session: Session, call: OutboundCall) -> Written:
        """PATCH the fields of ``payload`` on the quote named by its ``Id``."""
        key = _id_of(call)
        values = {name: value for name, value in call.payload.items() if name != "Id"}
        client = SalesforceClient(session)
        await client.update(call.operation, f"/sobjects/SBQQ__Quote__c/{key}", values)
        return Written(key)

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        """The quote, when it already shows what was to be written."""
        shown = await self._shown(session, call)
        values = {name: value for name, value in call.payload.items() if name != "Id"}
        if shown is None or any(shown.get(name) != value for name, value in values.items()):
            return None
        return Written(_id_of(call))

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        shown = await self._shown(session, call)
        if shown is None:
            raise error_for(
                "not_found", f"Quote {written.external_id} is no longer in {session.vendor_name}."
            )
        return ReadBack(written.external_id, str(shown["Name"]), data=shown)

    async def _shown(self, session: Session, call: OutboundCall) -> dict[str, Any] | None:
        names = sorted({"Id", "Name", *call.payload})
        soql = (
            f"SELECT {', '.join(names)} FROM SBQQ__Quote__c "
            f"WHERE Id IN ({soql_list([_id_of(call)])})"
        )
        found = await SalesforceClient(session).query(call.operation, soql)
        return plain(found[0]) if found else None

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return await reads.fetch_quotes(SalesforceClient(session), ids)

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return await reads.poll_quotes(SalesforceClient(session), cursor)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return await reads.snapshot_contracts(SalesforceClient(session), cursor)


def _id_of(call: OutboundCall) -> str:
    key = call.payload.get("Id")
    if not is_id(key):
        raise error_for(
            "field_refused",
            f"{key!r} is no record id of Salesforce. Correct the mapping of {call.operation}, "
            f"then retry.",
            field="Id",
        )
    return str(key)
