"""The log is append-only, readers skip nothing, and state machines hold in raw SQL too."""

import datetime as dt
import threading
import uuid

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError, ProgrammingError

from apps.core.fsm import transition_set
from apps.events.models import CurrentXid, Event, Transition
from apps.events.selectors import (
    count_transitions_without_actor,
    events_after,
    has_unsealed,
    settled_before,
)
from apps.events.services import acting, link_hash, publish_events, seal_events
from apps.events.types import NewEvent
from apps.jobs.models import Batch
from apps.jobs.services import acquire_leases, release_leases, renew_lease
from tests.builders.events import wait_until_settled


def _event(kind="thing.made"):
    return NewEvent(type=kind, aggregate_type="thing", aggregate_id=uuid.uuid4())


def _batch(**values):
    return Batch.objects.create(
        kind="retry", title="t", idempotency_key=str(uuid.uuid4()), frozen_hash="",
        requested_by_id=uuid.uuid4(), requested_by_label="t", **values,
    )  # fmt: skip


def _read():
    return events_after(0, 0, {"thing.slow", "thing.fast"}, settled_before(), 10)


@pytest.mark.django_db(transaction=True)
def test_a_late_commit_is_not_skipped(actor, now):
    """Rows of a transaction that commits late are read, though their ids are lower."""
    wrote, commit = threading.Event(), threading.Event()

    def slow_writer():
        with transaction.atomic():
            publish_events([_event("thing.slow")], actor=actor, now=now)
            wrote.set()
            commit.wait(5)
        connection.close()

    thread = threading.Thread(target=slow_writer)
    thread.start()
    assert wrote.wait(5)
    publish_events([_event("thing.fast")], actor=actor, now=now)
    assert _read() == []
    commit.set()
    thread.join()
    wait_until_settled()
    assert [e.type for e in _read()] == ["thing.slow", "thing.fast"]


@pytest.mark.django_db
def test_events_cannot_be_changed_or_deleted(actor, now):
    publish_events([_event()], actor=actor, now=now)
    for statement in ("UPDATE events_event SET type = 'x'", "DELETE FROM events_event"):
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_an_illegal_pair_is_refused_in_raw_sql(actor):
    with acting(actor):
        batch = _batch()
    with pytest.raises(IntegrityError, match="draft to finished"), transaction.atomic():
        connection.cursor().execute(
            "UPDATE jobs_batch SET state = 'finished' WHERE id = %s", [batch.id]
        )
    with pytest.raises(IntegrityError, match="may not start as running"), transaction.atomic():
        _batch(state="running")
    assert Batch.objects.get(id=batch.id).state == "draft"


@pytest.mark.django_db
def test_every_transition_is_logged_with_its_actor(actor):
    with acting(actor):
        batch = _batch()
        moved = transition_set(Batch, "start", [batch.id, uuid.uuid4()])
    assert moved == [batch.id]
    log = Transition.objects.order_by("id").values_list("from_state", "to_state", "actor")
    assert list(log) == [("", "draft", actor.text), ("draft", "running", actor.text)]
    assert transition_set(Batch, "start", [batch.id]) == []
    assert count_transitions_without_actor() == 0


@pytest.mark.django_db(transaction=True)
def test_the_seal_covers_each_event_once(actor, now):
    publish_events([_event(), _event()], actor=actor, now=now)
    wait_until_settled()
    assert seal_events() == 2
    assert seal_events() == 0
    first = Event.objects.order_by("id")[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT hash FROM events_seal ORDER BY position LIMIT 1")
        assert cursor.fetchone()[0] == link_hash("0" * 64, first)


@pytest.mark.django_db(transaction=True)
def test_an_event_with_a_number_below_the_newest_link_is_still_unsealed(actor, now):
    publish_events([_event()], actor=actor, now=now)
    late = Event.objects.get()
    late.pk = late.pk + 1000  # numbers are taken before transactions get their place in the order
    late.xid = CurrentXid()
    late.save(force_insert=True)
    wait_until_settled()
    assert seal_events() == 2
    assert not has_unsealed()
    publish_events([_event()], actor=actor, now=now)
    wait_until_settled()
    assert has_unsealed()
    assert seal_events() == 1
    assert not has_unsealed()


@pytest.mark.django_db
def test_a_lease_has_one_holder_and_a_rising_epoch(now):
    ttl = dt.timedelta(seconds=30)
    assert acquire_leases(["a", "b"], owner="one", ttl=ttl) == {"a": 1, "b": 1}
    assert acquire_leases(["a"], owner="two", ttl=ttl) == {}
    release_leases(["a"], owner="one")
    assert acquire_leases(["a"], owner="two", ttl=ttl) == {"a": 2}
    assert not renew_lease("a", owner="one", epoch=1, ttl=ttl)
    assert renew_lease("a", owner="two", epoch=2, ttl=ttl)
