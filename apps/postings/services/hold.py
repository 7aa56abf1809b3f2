"""Holding back what is not sent yet, while the run it belongs to is paused."""

import uuid
from collections.abc import Sequence

from apps.core.jobs import enqueue_on_commit
from apps.postings.models import Posting


def hold_postings(ids: Sequence[uuid.UUID]) -> None:
    """Send none of these until they are released. One that is being sent now is still confirmed;
    should it have to be sent again, it waits. Runs inside the caller's ``acting`` transaction."""
    Posting.objects.filter(id__in=ids, is_held=False).update(is_held=True)


def release_postings(ids: Sequence[uuid.UUID]) -> None:
    """Let held postings go on. Runs inside the caller's ``acting`` transaction."""
    held = Posting.objects.filter(id__in=ids, is_held=True)
    lanes = set(held.values_list("connection_id", flat=True))
    held.update(is_held=False)
    for connection_id in lanes:
        enqueue_on_commit("postings.run_lane", str(connection_id), queue="lanes")
