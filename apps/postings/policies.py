"""Pure decisions of the posting protocol: keys, delays, what an answer means, what differs."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.connectors.base import AfterUnknown, Capability, ReadBack

MAX_ATTEMPTS = 5
BASE_DELAY = 1.0
DELAY_CAP = 60.0
CLAIM_TTL = dt.timedelta(seconds=60)
CALL_DEADLINE = dt.timedelta(seconds=20)  # of a whole exchange, as connectors.http has it


def posting_key(
    entity_id: uuid.UUID,
    ledger_role: str,
    document: tuple[str, uuid.UUID, int],
    operation: str,
    purpose: str,
) -> str:
    """The key of a business fact: no clock and no chance in it, so a replay computes it again."""
    kind, document_id, version = document
    parts = (entity_id, ledger_role, kind, document_id, version, operation, purpose)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def vendor_key(key: str, revision: int) -> str:
    """The vendor's idempotency key: ours and the payload's revision, which rises only after a
    definite rejection (vendors replay stored errors for an old key)."""
    return f"q2c-{key[:40]}-{revision}"


def retry_delay(attempts: int, chance: float, named: float | None) -> dt.timedelta:
    """Full jitter: a share of min(cap, base·2ⁿ) seconds; a vendor's Retry-After comes first."""
    if named is not None:
        return dt.timedelta(seconds=min(named + chance, 300))
    return dt.timedelta(seconds=chance * min(DELAY_CAP, BASE_DELAY * 2**attempts))


def may_still_send(claimed_until: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a call that begins now ends within its claim. A worker that was frozen finds here
    that somebody else may have looked the document up, found nothing and sent it meanwhile."""
    return claimed_until is not None and now + CALL_DEADLINE <= claimed_until


@dataclass(frozen=True, slots=True)
class UnknownPlan:
    """What to do about a posting whose outcome is unknown: look_up, send_again or park."""

    action: str
    wait: dt.timedelta = dt.timedelta(0)


def after_unknown(
    capability: Capability, sent_ago: dt.timedelta | None, absent_times: int
) -> UnknownPlan:
    """Decide by the connector's declared capability (the posting protocol, step 5).

    ``sent_ago`` None: nothing was sent under the present key yet, because people said that the
    document of an earlier one is gone. Then no key protects from a second document: whatever the
    platform promises, it is looked up first.
    """
    if capability.after_unknown is AfterUnknown.NONE:
        return UnknownPlan("park")
    if sent_ago is not None:
        if capability.after_unknown is AfterUnknown.UNIQUE_REFERENCE:
            return UnknownPlan("send_again")
        if capability.after_unknown is AfterUnknown.NATIVE_KEY and sent_ago < capability.ttl:
            return UnknownPlan("send_again")
    if absent_times >= 2:
        return UnknownPlan("send_again")
    return UnknownPlan("look_up", capability.visibility_lag if absent_times else dt.timedelta(0))


def differences(meant: Mapping[str, Any], found: ReadBack) -> list[str]:
    """What the vendor's document says otherwise than we meant; empty when all agrees.

    Compared are the keys of ``meant``: currency, net, tax, gross (major units), entity,
    document_date, period and dimensions (each must be present on the document).
    """
    said = {
        "currency": found.currency,
        "net": found.net,
        "tax": found.tax,
        "gross": found.gross,
        "entity": found.entity,
        "document_date": found.document_date and found.document_date.isoformat(),
        "period": found.period,
    }
    unlike = [
        f"{name} is {said[name]} instead of {meant[name]}"
        for name in said
        if meant.get(name) not in (None, "") and said[name] not in (None, "")
        if not _same(meant[name], said[name])
    ]
    absent = [d for d in meant.get("dimensions", ()) if d and d not in found.dimensions]
    if found.dimensions or absent:
        unlike += [f"dimension {dimension} is not on the document" for dimension in absent]
    return unlike


def _same(meant: Any, said: Any) -> bool:
    if isinstance(said, Decimal):
        return Decimal(str(meant)) == said
    return str(meant) == str(said)
