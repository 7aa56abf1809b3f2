"""Stripe Billing as a connector."""

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
from apps.connectors.vendors.stripe import cancels, reads, webhooks, writes
from apps.connectors.vendors.stripe.client import StripeClient, read_limits
from apps.core.errors import OutcomeUnknownError

# Stripe keeps keys for at least 24 hours (docs.stripe.com/idempotency); search lags by up to a
# minute (docs.stripe.com/search).
KEPT, LAG = dt.timedelta(hours=23), dt.timedelta(seconds=60)


def _keyed(*shows: str) -> Capability:
    return Capability(
        AfterUnknown.NATIVE_KEY, ttl=KEPT, visibility_lag=LAG, shows=frozenset(shows)
    )


_WRITES = {
    "customer.upsert": writes.upsert_customer,
    "subscription.create": writes.create_subscriptions,
    "subscription.change": writes.change_subscriptions,
    "subscription.cancel": cancels.cancel_subscriptions,
}
_LOOK_UPS = {
    "customer.upsert": writes.find_customer,
    "subscription.create": writes.find_subscriptions,
    "subscription.change": writes.find_change,
    "subscription.cancel": cancels.find_cancellation,
}


class StripeConnector:
    """Settings: ``deadline_seconds``. Credentials: ``api_key``, ``webhook_secrets`` (list)."""

    vendor = "stripe"
    sends_webhooks = True
    capabilities: Mapping[str, Capability] = {
        "customer.upsert": _keyed(),
        "subscription.create": _keyed("currency", "net", "entity"),
        # What a change charges is on its invoice, which comes by itself.
        "subscription.change": _keyed("currency"),
        # It looks at what stands before each part, so it may be repeated at any time.
        "subscription.cancel": Capability(
            AfterUnknown.UNIQUE_REFERENCE, shows=frozenset({"currency"})
        ),
    }
    snapshot_types: tuple[str, ...] = ("invoice",)
    fetched_types: tuple[str, ...] = ("invoice",)
    limits = staticmethod(read_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        return webhooks.verify(door, headers, body, now)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return webhooks.split(body)

    async def write(self, session: Session, call: OutboundCall) -> Written:
        """Write. A server error is looked up at once: Stripe would repeat it under this key."""
        client = StripeClient(session)
        try:
            return await _WRITES[call.operation](client, call)
        except OutcomeUnknownError as error:
            if error.facts.code != "server_error_after_write":
                raise
            found = await _LOOK_UPS[call.operation](client, call)
            if found is None:
                raise
            return found

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        return await _LOOK_UPS[call.operation](StripeClient(session), call)

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        """The object exists as it was meant; what a change cost comes with its invoice.

        Raises ``RejectedError`` (not_found) when it does not exist.
        """
        if call.operation == "subscription.cancel":
            return await cancels.read_cancellation(StripeClient(session), call, written)
        if call.operation == "subscription.create":
            return await writes.read_subscriptions(StripeClient(session), call, written)
        noun = "customers" if call.operation == "customer.upsert" else "subscriptions"
        found = await StripeClient(session).get(
            call.operation, f"/v1/{noun}/{written.external_id}"
        )
        currency = str(found.get("currency") or "").upper() if noun == "subscriptions" else ""
        return ReadBack(written.external_id, currency=currency)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return await reads.fetch_invoices(StripeClient(session), ids)

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return await reads.poll_events(StripeClient(session), cursor)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        if document_type != "invoice":
            raise error_for(
                "misconfigured", f"Stripe has no snapshot of {document_type!r}, only of invoice."
            )
        return await reads.snapshot_invoices(StripeClient(session), cursor)
