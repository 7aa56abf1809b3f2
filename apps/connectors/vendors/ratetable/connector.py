"""The built-in rate table: a tax engine in process, its table in the connection's config."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import (
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
from apps.connectors.vendors.ratetable.policies import check_customer, quote_tax
from apps.core.errors import ConfigurationError


class RateTableConnector:
    """Answers ``tax.quote`` from ``config["rates"]``: tax code → rate as a fraction."""

    vendor = "ratetable"
    sends_webhooks = False
    # A quote changes nothing, so asking again is always safe.
    capabilities: Mapping[str, Capability] = {
        "tax.quote": Capability(AfterUnknown.UNIQUE_REFERENCE, shows=frozenset())
    }
    snapshot_types: tuple[str, ...] = ()
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        raise BadDelivery("no_webhooks", "The rate table sends no messages.", 404)

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        return []

    def check_customer(
        self, config: Mapping[str, Any], seller_country: str, customer: Mapping[str, Any]
    ) -> None:
        """Raises ``RejectedError`` (tax_validation_failed) with the customer's field at fault."""
        rates = config.get("rates")
        if isinstance(rates, Mapping) and rates:
            check_customer(seller_country, customer, rates)

    async def write(self, session: Session, call: OutboundCall) -> Written:
        """Raises ``RejectedError`` (tax_validation_failed) with the customer's field at fault."""
        rates = session.config.get("rates")
        if not isinstance(rates, Mapping) or not rates:
            raise ConfigurationError(
                "misconfigured",
                f"{session.vendor_name} has no rates. Enter them in the connection's settings, "
                f"then resume it.",
            )
        result: dict[str, Any] = quote_tax(call.payload, rates)
        return Written(call.reference, str(call.payload.get("document", "")), result)

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        return None

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        return ReadBack(written.external_id, written.number, data=written.data)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return []

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return Page((), cursor, more=False)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return SnapshotPage((), cursor, more=False)
