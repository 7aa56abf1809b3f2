"""One claim an ordering key, under an epoch: who stalled is refused, who crashes is given up."""

import datetime as dt
import random
import uuid

import pytest
from django.db import IntegrityError, connection

from apps.core.fsm import transition_set
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.ingestion.policies import MAX_ATTEMPTS
from apps.ingestion.services import process, process_due
from apps.ingestion.services.claim import claim_heads, recover_claims
from apps.jobs.models import StaleWrite
from tests.builders.inbound import TESTS, let_claims_end, make_inbound

pytestmark = pytest.mark.django_db


def _states():
    return dict(InboundEvent.objects.values_list("object_id", "state"))


def test_only_the_head_of_a_key_is_claimed(stripe, applied, now):
    make_inbound(stripe, now, ("a", 2, "x"), ("a", 1, "x"), ("b", 1, "x"))
    claimed = InboundEvent.objects.filter(id__in=claim_heads())
    assert set(claimed.values_list("object_id", "source_version")) == {("a", 1), ("b", 1)}
    assert claim_heads() == {}
    assert {e.attempts for e in claimed} == {1}


def test_an_earlier_version_does_not_get_past_a_claim(stripe, now):
    """A version that arrives while a later one is claimed waits for the end of that claim."""
    make_inbound(stripe, now, ("a", 5, "x"))
    assert len(claim_heads()) == 1
    make_inbound(stripe, now, ("a", 4, "x"))
    assert claim_heads() == {}


@pytest.mark.django_db(transaction=True)
def test_the_database_holds_two_claimers_of_a_key_apart(stripe, now):
    (first, second) = make_inbound(stripe, now, ("a", 1, "x"), ("a", 2, "x"))

    with acting(TESTS):
        transition_set(InboundEvent, "process", [first.id])
    with pytest.raises(IntegrityError, match="inbound_one_claim"), acting(TESTS):
        transition_set(InboundEvent, "process", [second.id])


def test_a_worker_that_stalled_is_refused_and_counted(stripe, applied, now, monkeypatch):
    """It claims, stops; another takes over and finishes; it goes on and writes nothing."""
    make_inbound(stripe, now, ("a", 1, "x"), ("b", 1, "x"))
    stalled = claim_heads()
    let_claims_end()
    assert process_due(now=now) == 1  # a suspect goes alone
    assert process_due(now=now) == 1
    before = list(InboundEvent.objects.order_by("id").values())
    applied.clear()
    process._process(stalled, now)
    assert applied == []
    assert list(InboundEvent.objects.order_by("id").values()) == before
    assert StaleWrite.objects.get(place="ingestion.process").count == 2
    assert set(_states().values()) == {"processed"}


def test_a_stale_claim_among_good_ones_stops_only_itself(stripe, applied, now):
    make_inbound(stripe, now, ("a", 1, "x"), ("b", 1, "x"))
    claims = claim_heads()
    lost = InboundEvent.objects.get(object_id="a")
    process._process({**claims, lost.id: claims[lost.id] - 1}, now)
    assert applied == [("b", 1)]
    assert _states() == {"a": "processing", "b": "processed"}
    assert StaleWrite.objects.get().count == 1


def test_a_claim_ends_by_the_databases_clock(stripe, now):
    """The moment that a worker believes it is plays no part."""
    make_inbound(stripe, now, ("a", 1, "x"))
    claim_heads()
    recover_claims(now + dt.timedelta(days=300))
    assert _states() == {"a": "processing"}
    let_claims_end()
    recover_claims(now - dt.timedelta(days=300))
    assert _states() == {"a": "received"}


def test_a_crash_loop_ends_with_a_case_at_the_fifth(stripe, applied, now):
    """A worker that dies reports nothing: claimed, and never heard of again."""
    make_inbound(stripe, now, ("killer", 1, "x"), *((f"n{n}", 1, "x") for n in range(9)))
    assert len(claim_heads()) == 10  # dies with all ten
    for _ in range(40):
        let_claims_end()
        recover_claims(now)
        claims = claim_heads()
        if not claims:
            break
        names = set(InboundEvent.objects.filter(id__in=claims).values_list("object_id", flat=True))
        assert len(names) == 1  # whoever was there at a crash goes alone from then on
        if names != {"killer"}:
            process._process(claims, now)
    killer = InboundEvent.objects.get(object_id="killer")
    assert (killer.state, killer.attempts, killer.error_code) == (
        "dead", MAX_ATTEMPTS, "processing_fault",
    )  # fmt: skip
    assert ExceptionCase.objects.get().subject_id == killer.id
    assert len(applied) == 9
    assert max(InboundEvent.objects.exclude(id=killer.id).values_list("attempts", flat=True)) == 2


def test_one_poison_event_stands_alone(stripe, applied, now):
    make_inbound(stripe, now, *((f"n{n}", 1, "poison" if n == 37 else "x") for n in range(100)))
    assert process_due(now=now) == 100
    assert len(applied) == 99
    poison = InboundEvent.objects.get(object_id="n37")
    assert (poison.state, poison.attempts) == ("received", 1)
    for _ in range(MAX_ATTEMPTS - 1):
        InboundEvent.objects.filter(id=poison.id).update(due_at=now)
        assert process_due(now=now) == 1
    poison = InboundEvent.objects.get(id=poison.id)
    assert (poison.state, poison.error_code) == ("dead", "processing_fault")
    assert ExceptionCase.objects.get().subject_id == poison.id


def test_an_event_of_no_connection_blocks_nobody(stripe, applied, now):
    make_inbound(stripe, now, ("lost", 1, "x"), ("b", 1, "x"))
    InboundEvent.objects.filter(object_id="lost").update(connection_id=uuid.UUID(int=1))
    process_due(now=now)
    assert applied == [("b", 1)]
    for _ in range(MAX_ATTEMPTS):
        InboundEvent.objects.filter(object_id="lost").update(due_at=now)
        process_due(now=now)
    assert _states()["lost"] == "dead"
    assert ExceptionCase.objects.count() == 1


def test_versions_in_any_order_are_applied_in_rising_order(stripe, applied, now):
    """REL-07: random permutations of ten events of many objects, some arriving between rounds."""
    chance = random.Random(7)
    objects = [f"in_{n}" for n in range(60)]
    arrivals = [(key, version, "x") for key in objects for version in range(1, 11)]
    chance.shuffle(arrivals)
    while arrivals:
        some = chance.randrange(1, 150)
        make_inbound(stripe, now, *arrivals[:some])
        arrivals = arrivals[some:]
        process_due(now=now)
    while process_due(now=now):
        pass
    for key in objects:
        versions = [version for each, version in applied if each == key]
        assert versions == sorted(set(versions))
        assert versions[-1] == 10
    assert set(_states().values()) <= {"processed", "ignored"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingestion_inboundevent WHERE state = 'processed'")
        assert cursor.fetchone()[0] == len(applied)
