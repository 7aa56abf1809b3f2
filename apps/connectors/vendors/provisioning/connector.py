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
from apps.connectors.errors import error_for
from apps.connectors.http import Session
from apps.connectors.limits import standard_limits
from apps.connectors.vendors.provisioning import webhooks
from apps.connectors.vendors.provisioning.client import SOURCE, read, send_event
from apps.core.errors import RejectedError

# The receiver de-duplicates on the message id, so a repetition is one event.
REPEATABLE = Capability(AfterUnknown.UNIQUE_REFERENCE, shows=frozenset())
NEVER_CAME = dt.timedelta(minutes=15)  # as long as an order waits to be provisioned
TYPES = {
    "entitlement.provision": "entitlement.provision",
    "entitlement.change": "entitlement.change",
    "entitlement.revoke": "entitlement.revoke",
}
PAGE = 200


def _message(event: Mapping[str, Any]) -> InboundMessage:
    """An event of the feed; one that cannot be read does not hide the others of its page."""
    try:
        return webhooks.event_message(event)
    except RejectedError as error:
        key = str(event.get("id") or "")
        return InboundMessage(
            str(event.get("type")), "unreadable", key, 0, event, message_id=key, fault=error.facts
        )


class ProvisioningConnector:
    """One CloudEvent a write; the message id is the posting's idempotency key."""

    vendor = "provisioning"
    sends_webhooks = True
    capabilities: Mapping[str, Capability] = dict.fromkeys(TYPES, REPEATABLE)
    snapshot_types: tuple[str, ...] = ()
    fetched_types: tuple[str, ...] = ("entitlement",)
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
        asked_at = session.clock().isoformat()
        return Written(
            call.reference, data={"subscription": payload["subscription"], "asked_at": asked_at}
        )

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
        """The event was taken; what came of it is told by the callback. A revocation is believed
        once the entitlement is revoked. Raises ``TransientError`` until then."""
        if call.operation == "entitlement.revoke":
            await self._check_revoked(session, call, str(written.data["asked_at"]))
        return ReadBack(written.external_id, data=written.data)

    async def _check_revoked(self, session: Session, call: OutboundCall, asked_at: str) -> None:
        """The list may be empty because the entitlement never came to be: after a while that is
        as good as revoked."""
        subscription = str(call.payload["subscription"])
        found = await read(session, call.operation, "/entitlements", subscription=subscription)
        states = {str(entitlement["state"]) for entitlement in found["items"]}
        waited = session.clock() - dt.datetime.fromisoformat(asked_at)
        if states == {"revoked"} or (not states and waited > NEVER_CAME):
            return
        raise error_for(
            "locked",
            f"{session.vendor_name} has taken the revocation of {subscription} and has not "
            f"carried it out yet. The hub looks again.",
            retry_after=1.0,
        )

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
        """Events after the last one read, oldest first: the feed that webhooks are sent from."""
        after = str(cursor.get("after") or "")
        listed = await read(session, "event.list", "/events", after=after, limit=str(PAGE))
        events = listed["items"]
        following = {"after": str(events[-1]["id"])} if events else dict(cursor)
        return Page([_message(event) for event in events], following, len(events) == PAGE)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return SnapshotPage((), cursor, more=False)
