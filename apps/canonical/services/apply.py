"""Applying drafts: each kind in sets, older versions refused, only differences written."""

import datetime as dt
from collections.abc import Callable, Sequence

from apps.canonical.services.entitlements import apply_entitlements
from apps.canonical.services.invoices import apply_invoices
from apps.canonical.services.quotes import apply_quotes
from apps.canonical.types import Applied, Draft
from apps.core.principal import Actor, system_actor

APPLIER = system_actor("canonical.apply")

Handler = Callable[[Sequence[Draft], Actor, dt.datetime], list[Applied]]

HANDLERS: dict[str, Handler] = {
    "quote": apply_quotes,
    "invoice": apply_invoices,
    "entitlement": apply_entitlements,
}


def apply_drafts(drafts: Sequence[Draft], *, now: dt.datetime) -> list[Applied]:
    """Apply drafts in the caller's transaction; returns what became of each, in order."""
    results: dict[int, Applied] = {}
    for kind in {draft.record_type for draft in drafts}:
        places = [n for n, draft in enumerate(drafts) if draft.record_type == kind]
        same = [drafts[n] for n in places]
        handler = HANDLERS.get(kind)
        done = handler(same, APPLIER, now) if handler else [_unknown(kind)] * len(same)
        results.update(zip(places, done, strict=True))
    return [results[n] for n in range(len(drafts))]


def _unknown(kind: str) -> Applied:
    return Applied(
        "refused",
        error_code="malformed_payload",
        error_message=f"The hub keeps no records of the kind {kind}. Correct the mapping's "
        f"record_type, or discard the message with a reason.",
        error_field="record_type",
    )
