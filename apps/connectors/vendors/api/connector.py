"""The hub's own domain API as a source: programs submit quotes in canonical terms."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import (
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
from apps.core.codec import loads
from apps.core.errors import ConfigurationError, RejectedError


class ApiConnector:
    """Reads what ``POST /api/v1/quotes/`` stored. Nothing is written to it or read from it."""

    vendor = "api"
    sends_webhooks = False
    capabilities: Mapping[str, Capability] = {}
    snapshot_types: tuple[str, ...] = ()
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        raise BadDelivery(
            "no_webhooks", "Submit quotes by POST /api/v1/quotes/ with an API key.", 404
        )

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        """The one quote of a body; its version is ``changed_at`` in milliseconds.

        Raises ``RejectedError`` (malformed_payload) naming what cannot be read.
        """
        try:
            quote: dict[str, Any] = loads(body)
            number, changed = str(quote["number"]), str(quote["changed_at"])
            version = int(dt.datetime.fromisoformat(changed).timestamp() * 1000)
        except (KeyError, TypeError, ValueError) as error:
            raise RejectedError(
                "malformed_payload",
                "The quote has no number or no time of change. Edit it, then retry.",
                detail=repr(error),
                field="changed_at",
            ) from error
        payload = {**quote, "source_version": version}
        return [InboundMessage("quote.submitted", "quote", number, version, payload)]

    async def write(self, session: Session, call: OutboundCall) -> Written:
        raise _one_way()

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        raise _one_way()

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        raise _one_way()

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        raise _one_way()

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        raise _one_way()

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        raise _one_way()


def _one_way() -> ConfigurationError:
    return ConfigurationError(
        "misconfigured", "The domain API only receives. Give the connection another vendor."
    )
