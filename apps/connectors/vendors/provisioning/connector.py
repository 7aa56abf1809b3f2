"""Provisioning: entitlements are asked for by signed events and confirmed by a callback."""

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
from apps.connectors.http import Session, standard_limits
from apps.connectors.vendors.provisioning import webhooks
from apps.connectors.vendors.provisioning.client import SOURCE, read, send_event

# The receiver de-duplicates on the message id, so a repetition is one event.
REPEATABLE = Capability(AfterUnknown.UNIQUE_REFERENCE, shows=frozenset())
TYPES = {
    "entitlement.provision": "entitlement.provision",
    "entitlement.change": "entitlement.change",
    "entitlement.revoke": "entitlement.revoke",
}


class ProvisioningConnector:
    """One CloudEvent a write; the message id is the posting's idempotency key."""

    vendor = "provisioning"
    capabilities: Mapping[str, Capability] = dict.fromkeys(TYPES, REPEATABLE)
    snapshot_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        return webhooks.verify(door, headers, body, now)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return webhooks.split(body)

    async def write(self, session: Session, call: OutboundCall) -> Written:
        """Ask for an entitlement; the platform answers that it has taken the event."""
        payload = call.payload
        await send_event(session, call.operation, self._event(session, call))
        return Written(call.reference, data={"subscription": payload["subscription"]})

    def _event(self, session: Session, call: OutboundCall) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": call.idempotency_key,
            "source": SOURCE,
            "type": TYPES[call.operation],
            "subject": call.payload["subscription"],
            "time": session.clock().isoformat(),
            "datacontenttype": "application/json",
            "data": {**call.payload, "reference": call.reference},
        }

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        return None

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        """The event was taken; what came of it is told by the callback."""
        return ReadBack(written.external_id, data=written.data)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        """Entitlements by id; none that is gone."""
        found = [await read(session, "entitlement.read", f"/entitlements/{one}") for one in ids]
        return [
            InboundMessage("entitlement.read", object_type, one, 0, entitlement)
            for one, entitlement in zip(ids, found, strict=True)
        ]

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return Page((), cursor, more=False)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return SnapshotPage((), cursor, more=False)
