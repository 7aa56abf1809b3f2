"""Bulk retry: frozen ids, steered by people, an outcome for each item that came true."""

import uuid

import pytest

from apps.core.errors import StaleWriteError
from apps.events.models import Event, Transition
from apps.exceptions.models import DeadLetter
from apps.exceptions.services import close_cases, park_dead_letters
from apps.exceptions.types import DeadLetterDraft
from apps.jobs.models import Batch, BatchItem
from apps.postings.models import Posting
from apps.postings.services import requeue_postings
from apps.resolutions.errors import RemedyError
from apps.resolutions.services import (
    cancel_batch,
    pause_batch,
    resume_batch,
    retry,
    run_batch,
    start_batch,
)
from apps.users.errors import NotAllowedError
from tests.builders.events import deliver
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import TESTS, make_connection, make_posting, move_posting, open_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def entities():
    return make_entities()


@pytest.fixture
def mara():
    return make_principal("Mara", "operations")


@pytest.fixture
def cases(entities, now):
    netsuite = make_connection()
    postings = [make_posting(netsuite, entities["DE01"], "reject") for _ in range(3)]
    return [open_case(entities["DE01"], "postings.posting", p.id, now) for p in postings]


def _start(ids, principal, now, *, key="k1", kind="retry", expected=None):
    return start_batch(
        ids, kind, principal=principal, idempotency_key=key,
        expected_count=len(ids) if expected is None else expected, now=now,
    )  # fmt: skip


def _outcomes():
    return list(BatchItem.objects.order_by("position").values_list("outcome", flat=True))


def test_a_batch_counts_what_came_true(
    cases, mara, now, bells, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        batch = _start([c.id for c in cases], mara, now)
    assert ("resolutions.run_batch", (str(batch.id),)) in bells
    close_cases([cases[2].id], resolution="x", note="Gone.", actor=TESTS, now=now)
    assert run_batch(batch.id, now=now) is True
    assert run_batch(batch.id, now=now) is False
    assert _outcomes() == ["pending", "pending", "skipped"]
    assert Batch.objects.get().state == "running"
    first, second = cases[0].subject_id, cases[1].subject_id
    move_posting(first, "send", "post", "confirm")
    deliver("posting.confirmed", "posting", first, now, document="INV-1")
    deliver("exception.resolved", "exception_case", cases[0].id, now)
    move_posting(second, "send", "reject")
    open_case(cases[1].legal_entity, "postings.posting", second, now, title="Still closed")
    deliver("exception.repeated", "exception_case", cases[1].id, now)
    assert _outcomes() == ["succeeded", "failed", "skipped"]
    batch = Batch.objects.get()
    assert (batch.state, batch.succeeded, batch.failed, batch.skipped) == ("finished", 1, 1, 1)
    details = list(BatchItem.objects.order_by("position").values_list("detail", flat=True))
    assert details == [
        "INV-1 was posted and confirmed.", "Still closed", "Its case is closed already.",
    ]  # fmt: skip
    assert not Transition.objects.filter(actor__isnull=True).exists()


def test_an_item_that_fails_stops_no_other(cases, mara, now, monkeypatch):
    def fail(ids, **more):
        if cases[1].subject_id in ids:
            raise ValueError("not this one")
        return requeue_postings(ids, **more)

    monkeypatch.setattr(retry, "requeue_postings", fail)
    batch = _start([c.id for c in cases], mara, now)
    assert run_batch(batch.id, now=now) is True
    assert _outcomes() == ["pending", "failed", "pending"]
    details = list(BatchItem.objects.order_by("position").values_list("detail", flat=True))
    assert details[1] == "The hub failed on it (ValueError: not this one)."
    moved = Posting.objects.filter(state="queued").values_list("id", flat=True)
    assert set(moved) == {cases[0].subject_id, cases[2].subject_id}
    assert run_batch(batch.id, now=now) is False


def test_the_same_key_starts_one_batch_and_a_changed_list_none(cases, mara, now):
    ids = [c.id for c in cases]
    first = _start(ids, mara, now)
    assert _start(ids, mara, now).id == first.id
    close_cases([ids[0]], resolution="x", note="", actor=TESTS, now=now)
    with pytest.raises(StaleWriteError, match="2 of the 3 chosen rows"):
        _start(ids, mara, now, key="k2")
    with pytest.raises(RemedyError, match="None of the chosen rows"):
        _start([uuid.uuid4()], mara, now, key="k3")
    with pytest.raises(NotAllowedError):
        _start(ids, make_principal("Fin", "finance"), now, key="k4")
    assert Batch.objects.count() == 1


def test_rows_of_another_entity_are_not_frozen(cases, entities, now):
    japan = make_principal("Jun", "operations", entity=entities["JP01"])
    with pytest.raises(RemedyError, match="None of the chosen rows"):
        _start([c.id for c in cases], japan, now)


def test_pause_resume_cancel(cases, mara, now):
    batch = _start([c.id for c in cases], mara, now)
    assert pause_batch(batch.id, principal=mara, now=now)
    assert not pause_batch(batch.id, principal=mara, now=now)
    assert run_batch(batch.id, now=now) is False
    assert set(Posting.objects.values_list("state", flat=True)) == {"rejected"}
    assert resume_batch(batch.id, principal=mara, now=now)
    assert cancel_batch(batch.id, principal=mara, now=now)
    assert _outcomes() == ["skipped"] * 3
    batch = Batch.objects.get()
    assert (batch.state, batch.skipped) == ("cancelled", 3)
    told = Event.objects.filter(aggregate_type="batch").order_by("id")
    assert list(told.values_list("type", flat=True)) == [
        "batch.started", "batch.paused", "batch.resumed", "batch.cancelled",
    ]  # fmt: skip


def test_dead_letters_are_redriven_and_settled(cases, mara, now):
    letters = park_dead_letters(
        [
            DeadLetterDraft("postings.posting", c.subject_id, "netsuite", "invoice.create",
                            "vendor_outage", "No answer.", 5)
            for c in cases[:2]
        ],
        actor=TESTS,
        now=now,
    )  # fmt: skip
    batch = _start([d.id for d in letters], mara, now, kind="redrive")
    run_batch(batch.id, now=now)
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"redriving"}
    for case in cases[:2]:
        move_posting(case.subject_id, "send", "post", "confirm")
        deliver("posting.confirmed", "posting", case.subject_id, now, document="INV-1")
        deliver("exception.resolved", "exception_case", case.id, now)
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"redriven"}
    assert Batch.objects.get().state == "finished"
