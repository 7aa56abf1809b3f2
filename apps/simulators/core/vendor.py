"""What the server asks of a vendor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.faults import Rule
from apps.simulators.core.kit import Kit
from apps.simulators.core.webhooks import Outbox

Control = Callable[[Document], Document]


class Vendor(Protocol):
    """A simulated system: synchronous and complete per call, so calls never interleave."""

    kit: Kit
    outbox: Outbox
    controls: dict[tuple[str, str], Control]  # (method, path below /_sim/) -> handler

    def admit(self, call: Call) -> Reply | None:
        """Refuse (limits, keys in use) or let the call in; `release` follows only then."""

    def handle(self, call: Call) -> Reply:
        """Do what was asked. Every write of the call is one unit of the store."""

    def release(self, call: Call) -> None:
        """Give back what `admit` took."""

    def fault_reply(self, rule: Rule) -> Reply:
        """The vendor's own way to say outage, server error or too many requests."""

    def tick(self) -> None:
        """Called a few times a second: due renewals, batches, callbacks."""
