"""REL-37: what is sent again keeps its past, and comes no faster than the connection allows."""

import time

import pytest

from apps.connectors.lanes.run import run_lane
from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.postings.models import Attempt, Posting
from apps.postings.services.redrive import requeue_postings
from tests.builders.ledger import install, make_due
from tests.builders.people import make_entities
from tests.builders.stuck import TESTS, move_posting

pytestmark = pytest.mark.django_db

POSTINGS, RATE = 50, 40.0  # each is a write and a reading


def _run_until(connection, state):
    deadline = time.monotonic() + 120
    while Posting.objects.exclude(state=state).exists():
        assert time.monotonic() < deadline, set(Posting.objects.values_list("state", flat=True))
        run_lane(str(connection.id), worker="w")


def _most_in_a_second(moments):
    return max(sum(1 for m in moments if first <= m < first + 1) for first in moments)


def _dead(connection, entity):
    """Postings that a worker died of, each with the dispatch that came to no end."""
    sent_at = utc_now()
    postings = make_due(connection, entity, POSTINGS, first_sent_at=sent_at)
    Attempt.objects.bulk_create(
        Attempt(posting=p, number=1, started_at=sent_at, worker="killed") for p in postings
    )
    for posting in postings:
        move_posting(posting.id, "bury")
    return {p.id: p for p in Posting.objects.all()}


def test_a_redrive_keeps_what_was_tried_and_obeys_the_rate(monkeypatch):
    vendor, _, connection = install(monkeypatch)
    before = _dead(connection, make_entities()["DE01"])
    tried = list(Attempt.objects.order_by("id").values())
    Connection.objects.update(calls_per_second=RATE, concurrency=8)
    moments = []
    vendor.takes = lambda request: moments.append(time.monotonic())
    moved = requeue_postings(list(before), actor=TESTS, now=utc_now())
    _run_until(connection, "confirmed")
    assert len(moved) == len(vendor.documents) == POSTINGS
    assert len(moments) == 2 * POSTINGS
    assert _most_in_a_second(moments) <= RATE * 1.1
    kept = Attempt.objects.filter(id__in=[one["id"] for one in tried]).order_by("id")
    assert list(kept.values()) == tried
    for posting in Posting.objects.all():
        original = before[posting.id]
        assert (posting.key, posting.reference) == (original.key, original.reference)
        assert posting.request == original.request
        assert list(posting.tries.filter(kind="send").values_list("worker", flat=True)) == [
            "killed", "w",
        ]  # fmt: skip
