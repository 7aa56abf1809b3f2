"""Pure decisions of the posting protocol: keys, delays, what an answer means, what differs."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.connectors.base import SHOWN, AfterUnknown, Capability, ReadBack

MAX_ATTEMPTS = 5
BASE_DELAY = 1.0
DELAY_CAP = 60.0
SEND_MARGIN = dt.timedelta(seconds=3)  # of its claim that a write must still have when it leaves
UNSETTLED_FOR = dt.timedelta(minutes=10)  # sending or unknown for longer: a person is told
ABSENCES = 2  # lookups that found nothing, the platform's lag apart, before it counts as absent
LOOKUP_PAUSE = dt.timedelta(seconds=2)  # between lookups where the platform has no lag


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
    """Whether a call that begins now begins within its claim; while it is out the claim is
    renewed, or the call given up. A worker that was frozen finds here that somebody else may have
    looked the document up, found nothing and sent it meanwhile."""
    return claimed_until is not None and now + SEND_MARGIN <= claimed_until


@dataclass(frozen=True, slots=True)
class UnknownPlan:
    """What to do about a posting whose outcome is unknown: look_up, send_again, bury or park.

    ``bury``: its attempts are used up and it is not there; it becomes a dead letter.
    """

    action: str
    wait: dt.timedelta = dt.timedelta(0)


def after_unknown(
    capability: Capability, sent_ago: dt.timedelta | None, absent_times: int, attempts: int = 1
) -> UnknownPlan:
    """Decide by the connector's declared capability (the posting protocol, step 5).

    ``sent_ago`` None: nothing was sent under the present key yet, because people said that the
    document of an earlier one is gone. Then no key protects from a second document: whatever the
    platform promises, it is looked up first.
    ``attempts`` were dispatched: a crash never reports a failure, so at the fifth nothing is sent
    again; once it is known not to be there it is buried. ``wait`` is the time from one lookup
    that found nothing to the next.
    """
    if capability.after_unknown is AfterUnknown.NONE:
        return UnknownPlan("park")
    used_up = attempts >= MAX_ATTEMPTS
    if sent_ago is not None and not used_up and _is_safe_to_repeat(capability, sent_ago):
        return UnknownPlan("send_again")
    if absent_times >= ABSENCES:
        return UnknownPlan("bury" if used_up else "send_again")
    return UnknownPlan("look_up", max(capability.visibility_lag, LOOKUP_PAUSE))


def must_look_first(
    capability: Capability | None, *, doubtful: bool, sent_ago: dt.timedelta | None
) -> bool:
    """Whether what is about to be sent again has to be looked for before: an earlier dispatch may
    stand there, and while it waited the platform forgot the key that would have told."""
    if capability is None or not doubtful or sent_ago is None:
        return False
    by_key = capability.after_unknown is AfterUnknown.NATIVE_KEY
    return by_key and not _is_safe_to_repeat(capability, sent_ago)


def tells_of_earlier(capability: Capability) -> bool:
    """Whether a refusal of the same call says that no earlier one was taken: the platform answers
    a key that it knows with what it answered then."""
    return capability.after_unknown is AfterUnknown.NATIVE_KEY


def _is_safe_to_repeat(capability: Capability, sent_ago: dt.timedelta) -> bool:
    """Whether the platform itself refuses a second document for the same key or reference."""
    if capability.after_unknown is AfterUnknown.NATIVE_KEY:
        return sent_ago < capability.ttl
    return capability.after_unknown is AfterUnknown.UNIQUE_REFERENCE


# The platform said that it did not take the call: no attempt was made of it.
NOT_TAKEN = frozenset({"unreachable", "rate_limited"})


def counts_as_attempt(code: str, *, circuit_closed: bool) -> bool:
    """Whether a failed dispatch uses up one of the attempts. Waiting burns none: neither what
    was not taken, nor what a platform in an outage did with a probe."""
    return circuit_closed and code not in NOT_TAKEN


def differences(
    meant: Mapping[str, Any], found: ReadBack, shows: frozenset[str] = SHOWN
) -> list[str]:
    """What the vendor's document says otherwise than we meant; empty when all agrees.

    Compared are the keys of ``meant`` that the read-back ``shows``: currency, net, tax, gross
    (major units), entity, document_date, period and dimensions. A field that should be shown and
    is missing is a difference. The period meant is the month of the document's date, unless
    ``meant`` names one.
    """
    date = str(meant.get("document_date") or "")
    meant = {"period": date[:7], **meant}
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
        f"{name} is {_words(said[name])} instead of {meant[name]}"
        for name in said
        if name in shows and meant.get(name) not in (None, "")
        if not _same(meant[name], said[name])
    ]
    if "dimensions" in shows:
        absent = [d for d in meant.get("dimensions", ()) if d and d not in found.dimensions]
        unlike += [f"dimension {dimension} is not on the document" for dimension in absent]
    return unlike


def _words(said: Any) -> str:
    return "missing" if said in (None, "") else str(said)


def _same(meant: Any, said: Any) -> bool:
    if isinstance(said, Decimal):
        return Decimal(str(meant)) == said
    return str(meant) == str(said)
