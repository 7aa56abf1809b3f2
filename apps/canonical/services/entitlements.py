"""What provisioning calls back with: a signal to the run that waits for it."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.canonical.types import Applied, Draft
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent

SPACE = uuid.UUID("6f0c1b0e-6a1b-5c7e-9a55-2f1d6b7f4c10")


def apply_entitlements(drafts: Sequence[Draft], actor: Actor, now: dt.datetime) -> list[Applied]:
    """Tell of provisioned, changed, revoked or failed entitlements by the hub's reference."""
    publish_events([_event(draft) for draft in drafts], actor=actor, now=now)
    return [Applied("changed", record_id=_id(draft)) for draft in drafts]


def _id(draft: Draft) -> uuid.UUID:
    return uuid.uuid5(SPACE, f"{draft.connection_id}:{draft.external_id}")


def _event(draft: Draft) -> NewEvent:
    reference = str(draft.content["reference"])
    return NewEvent(
        type=f"entitlement.{draft.content['status']}",
        aggregate_type="entitlement",
        aggregate_id=_id(draft),
        aggregate_version=draft.source_version,
        journey_id=draft.journey_id,
        data={
            "signal": f"entitlement:{reference}",
            "reference": reference,
            "external_id": draft.external_id,
            "contract": draft.content.get("contract", ""),
            "reason": draft.content.get("reason", ""),
        },
    )
