"""Submitting intended writes: one row each, committed before anything is sent."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.connectors.selectors import route_connections
from apps.core.codec import to_json
from apps.core.errors import ConfigurationError
from apps.core.fsm import transition_rows
from apps.core.ids import vendor_reference
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.postings.announce import posting_event
from apps.postings.models import Posting
from apps.postings.policies import posting_key
from apps.postings.types import PostingDraft


def submit_postings(
    drafts: Sequence[PostingDraft], *, actor: Actor, now: dt.datetime
) -> list[Posting]:
    """Queue writes; a fact that was submitted before gives the posting that already stands, and
    one that was given up in the meantime is queued again, as it is meant now.

    Runs inside the caller's ``acting`` transaction. Returns a posting for each draft, in order.
    Raises ``ConfigurationError`` when no connection serves a role for a legal entity.
    """
    if not drafts:
        return []
    routes = route_connections([(draft.role, draft.legal_entity_id) for draft in drafts])
    rows = [_row(draft, routes.get((draft.role, draft.legal_entity_id)), now) for draft in drafts]
    wanted = {row.key: row for row in rows}
    keys = [row.key for row in rows]
    known = dict(Posting.objects.filter(key__in=keys).values_list("key", "state"))
    fresh = [row for key, row in wanted.items() if key not in known]
    Posting.objects.bulk_create(fresh, ignore_conflicts=True)
    revived = _revive([wanted[key] for key, state in known.items() if state == "cancelled"], now)
    stored = {posting.key: posting for posting in Posting.objects.filter(key__in=keys)}
    made = [stored[key] for key in [*(row.key for row in fresh), *revived]]
    publish_events([posting_event(p, "queued") for p in made], actor=actor, now=now)
    for connection_id in {p.connection_id for p in made}:
        enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
    return [stored[key] for key in keys]


def _revive(rows: Sequence[Posting], now: dt.datetime) -> list[str]:
    """Queue given-up writes again with what these rows mean; returns the keys of those."""
    if not rows:
        return []
    given_up = Posting.objects.select_for_update().filter(
        key__in=[row.key for row in rows], state="cancelled"
    )
    old = {posting.key: posting for posting in given_up}
    again = [(old[row.key].id, _again(old[row.key], row, now)) for row in rows if row.key in old]
    moved = set(transition_rows(Posting, "revive", again))
    return [key for key, posting in old.items() if posting.id in moved]


def _again(old: Posting, row: Posting, now: dt.datetime) -> dict[str, Any]:
    """Under a key of its own, should the platform have seen the old one."""
    return {
        "payload": row.payload,
        "request": None,
        "payload_revision": old.payload_revision + (old.first_sent_at is not None),
        "first_sent_at": None,
        "amount": row.amount,
        "currency": row.currency,
        "posting_date": row.posting_date,
        "run_id": row.run_id,
        "step_id": row.step_id,
        "is_held": False,
        "skipped_at": None,
        "unsettled_since": None,
        "attempts": 0,
        "lookups": 0,
        "due_at": now,
        "error_kind": "",
        "error_code": "",
        "error_message": "",
        "error_detail": "",
    }


def _row(draft: PostingDraft, connection: Connection | None, now: dt.datetime) -> Posting:
    if connection is None:
        raise ConfigurationError(
            "no_connection",
            f"No active connection has the role {draft.role} for this legal entity. "
            f"Add one under Connectors, then retry.",
        )
    document = (draft.document_type, draft.document_id, draft.document_version)
    key = posting_key(draft.legal_entity_id, "primary", document, draft.operation, draft.purpose)
    if draft.operation not in connector_for(connection.vendor).capabilities:
        raise ConfigurationError(
            "misconfigured",
            f"The connector of {connection.name} may not send {draft.operation}: it does not "
            f"declare what to do after a lost answer. Choose another connection for this role.",
        )
    return Posting(
        key=key,
        reference=vendor_reference(key),
        connection_id=connection.id,
        operation=draft.operation,
        purpose=draft.purpose,
        document_type=draft.document_type,
        document_id=draft.document_id,
        document_version=draft.document_version,
        document_label=draft.document_label,
        ordering_key=draft.ordering_key,
        payload=to_json(draft.payload),
        amount=draft.amount,
        currency=draft.currency,
        is_material=draft.is_material,
        run_id=draft.run_id,
        step_id=draft.step_id,
        journey_id=draft.journey_id,
        legal_entity_id=draft.legal_entity_id,
        due_at=now,
        posting_date=_date_of(draft.payload),
    )


def _date_of(payload: Mapping[str, Any]) -> dt.date | None:
    """The date under which the document is posted, when it has one."""
    text = str(payload.get("posting_date") or "")
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None  # the mapping or the platform names what is wrong with it
