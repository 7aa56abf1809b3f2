"""Sending again what a person has cleared, and giving up what a person discards."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.codec import to_json
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.postings.announce import posting_event
from apps.postings.models import Posting


def requeue_postings(
    ids: Sequence[uuid.UUID],
    *,
    actor: Actor,
    now: dt.datetime,
    changes: Mapping[uuid.UUID, Mapping[str, Any]] | None = None,
) -> list[uuid.UUID]:
    """Queue rejected, parked or dead postings again; returns those that moved.

    After a definite rejection it is translated afresh and the revision rises, so that the vendor
    does not replay its stored refusal. Anything else goes again with the same key and bytes,
    unless its payload changed: a key is never used for other bytes. ``changes`` are canonical
    payload keys to replace (a later posting date).
    """
    changes = changes or {}
    with acting(actor):
        postings = list(Posting.objects.select_for_update().filter(id__in=ids))
        rows = [(p.id, _values(p, changes.get(p.id, {}), now)) for p in postings]
        moved = transition_rows(Posting, "requeue", rows)
        again = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "requeued") for p in again], actor=actor, now=now)
        for connection_id in {p.connection_id for p in again}:
            enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
    return moved


def _values(posting: Posting, change: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    payload = to_json({**posting.payload, **change})
    sent = posting.first_sent_at is not None
    afresh = posting.state == "rejected" or payload != posting.payload or not sent
    raised = posting.state == "rejected" or (sent and afresh)
    return {
        "payload": payload,
        "request": None if afresh else posting.request,
        "payload_revision": posting.payload_revision + (1 if raised else 0),
        "first_sent_at": None if afresh else posting.first_sent_at,
        "unsettled_since": None,
        "doubtful_since": None,
        "skipped_at": None,
        "attempts": 0,
        "lookups": 0,
        "due_at": now,
        "error_kind": "",
        "error_code": "",
        "error_message": "",
        "error_detail": "",
    }


def cancel_postings(
    ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Give postings up for good. What is being sent, is unknown, or may stand at the platform by
    an earlier dispatch cannot be cancelled."""
    with acting(actor):
        clear = Posting.objects.select_for_update().filter(id__in=ids, doubtful_since__isnull=True)
        moved = transition_set(Posting, "cancel", list(clear.values_list("id", flat=True)))
        postings = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "cancelled") for p in postings], actor=actor, now=now)
    return moved
