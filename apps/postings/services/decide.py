"""What two people decided about postings whose outcome or amounts nobody else could settle."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.codec import to_json
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.mappings.services import unlink_references
from apps.postings.announce import posting_event
from apps.postings.models import STUCK, Posting


def adopt_postings(
    found: Mapping[uuid.UUID, str], *, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Take over documents that stand at the vendor: posting id → the vendor's id.

    They are read back and confirmed like any other, or parked again when they differ. Returns
    the ids of the parked postings that moved.
    """
    with acting(actor):
        parked = Posting.objects.select_for_update().filter(id__in=list(found), state="parked")
        rows = [
            (
                posting.id,
                {
                    "external_id": found[posting.id],
                    "result": to_json({"number": found[posting.id], **posting.result}),
                    "due_at": now,
                    "unsettled_since": now,
                    "doubtful_since": None,
                    "skipped_at": None,
                    "error_code": "",
                    "error_message": "",
                },
            )
            for posting in parked
        ]
        moved = transition_rows(Posting, "adopt", rows)
        postings = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "adopted") for p in postings], actor=actor, now=now)
        for connection_id in {p.connection_id for p in postings}:
            enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
    return moved


def doubt_postings(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Two people found that the document of these parked postings is not at the vendor any more.

    Unknown is not absent: each is looked up by our reference, and only what was absent twice is
    sent again, under a new key, because the old one would be answered with the old document. What
    is found after all is compared and parked once more. Returns the ids that moved.
    """
    with acting(actor):
        known = Posting.objects.select_for_update().filter(id__in=ids, state="parked")
        postings = list(known.exclude(external_id=""))
        unlink_references([(p.connection_id, p.external_id, p.document_id) for p in postings])
        moved = transition_rows(Posting, "doubt", [(p.id, _forgotten(p, now)) for p in postings])
        doubted = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "doubted") for p in doubted], actor=actor, now=now)
        for connection_id in {p.connection_id for p in doubted}:
            enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
    return moved


def _forgotten(posting: Posting, now: dt.datetime) -> dict[str, Any]:
    """What is not true any more of a posting whose document is gone."""
    return {
        "external_id": "",
        "result": {},
        "payload_revision": posting.payload_revision + 1,
        "first_sent_at": None,
        "attempts": 0,
        "lookups": 0,
        "unsettled_since": now,
        "doubtful_since": now,
        "skipped_at": None,
        "due_at": now,
        "error_code": "",
        "error_message": "",
    }


def accept_postings(
    ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Confirm parked postings with the difference that two people accepted; only those that the
    vendor has. Returns the ids that moved."""
    with acting(actor):
        known = Posting.objects.filter(id__in=ids).exclude(external_id="")
        moved = transition_set(
            Posting, "accept", list(known.values_list("id", flat=True)), error_code="",
            error_message="",
        )  # fmt: skip
        postings = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "confirmed") for p in postings], actor=actor, now=now)
    return moved


def skip_postings(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[uuid.UUID]:
    """Let the later postings of a stuck head's ordering key go on without it.

    The head keeps its state and its case; the later ones keep their order, and when the head is
    sent after all it goes before those that are left. Returns the ids that are skipped now.
    """
    with acting(actor):
        heads = Posting.objects.select_for_update().filter(
            id__in=ids, state__in=STUCK, skipped_at__isnull=True
        )
        postings = list(heads)
        moved = [posting.id for posting in postings]
        Posting.objects.filter(id__in=moved).update(skipped_at=now)
        publish_events([posting_event(p, "skipped") for p in postings], actor=actor, now=now)
        for connection_id in {p.connection_id for p in postings}:
            enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
    return moved
