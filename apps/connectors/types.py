"""What crosses the border of this app besides the connector contract."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = ("cpq", "billing", "tax", "provisioning", "erp")
IN_PROCESS = frozenset({"ratetable"})  # vendors without an address


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection as it is set up. ``secrets`` None leaves the stored ones alone."""

    code: str
    name: str
    vendor: str
    role: str
    base_url: str = ""
    legal_entity_id: uuid.UUID | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] | None = None
    concurrency: int = 4
    poll_every_seconds: int = 0
