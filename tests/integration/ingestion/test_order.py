"""Versions that a source counts: held for the one before, with a deadline, then a case."""

import datetime as dt
import json
import random
import uuid

import pytest

from apps.connectors.models import Connection
from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import (
    discard_events,
    expire_waiting,
    process_due,
    receive_again,
    split_deliveries,
)
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec
from tests.builders.inbound import make_delivery

pytestmark = pytest.mark.django_db

RULES = {
    "object": {
        "record_type": {"const": "entitlement"},
        "status": "status",
        "reference": "data.reference",
    }
}


@pytest.fixture
def provisioning(actor, now):
    with acting(system_actor("tests")):
        connection = Connection.objects.create(
            code="provisioning", name="P", vendor="provisioning", role="provisioning"
        )
    spec = MappingSpec(
        code="provisioning.callback.in", name="Callbacks", kind="field", source="provisioning",
        target="canonical", rules=RULES, rows=(),
    )  # fmt: skip
    ensure_mappings([spec], actor=actor, now=now)
    return connection


def _arrive(source, now, *places):
    """Callbacks of subjects at these places of their sequence."""
    for subject, place in places:
        event = {
            "specversion": "1.0", "id": uuid.uuid4().hex, "source": "/p", "subject": subject,
            "type": "entitlement.changed", "time": "2026-11-23T12:00:00Z",
            "sequence": str(place), "data": {"reference": f"{subject}-{place}"},
        }  # fmt: skip
        make_delivery(source, json.dumps(event).encode(), now)
    split_deliveries(now=now)


def _told():
    """(subject's place) of each told entitlement, in order."""
    events = Event.objects.filter(type="entitlement.changed").order_by("id")
    return [(e.data["external_id"], e.aggregate_version) for e in events]


def test_a_later_version_waits_for_the_one_before(provisioning, now):
    _arrive(provisioning, now, ("s", 2))
    process_due(now=now)
    held = InboundEvent.objects.get()
    assert (held.state, held.wait_reason) == ("waiting", "version")
    assert held.deadline == now + dt.timedelta(minutes=15)
    assert _told() == []
    _arrive(provisioning, now, ("s", 1))
    process_due(now=now)
    process_due(now=now)
    assert _told() == [("s", 1), ("s", 2)]


def test_any_permutation_is_applied_in_order(provisioning, now):
    """REL-07: ten events each of many subjects, in random order and random portions."""
    chance = random.Random(11)
    subjects = [f"s{n}" for n in range(40)]
    arrivals = [(subject, place) for subject in subjects for place in range(1, 11)]
    chance.shuffle(arrivals)
    while arrivals:
        some = chance.randrange(1, 90)
        _arrive(provisioning, now, *arrivals[:some])
        arrivals = arrivals[some:]
        process_due(now=now)
    while process_due(now=now):
        pass
    told = _told()
    assert len(told) == 400
    for subject in subjects:
        assert [place for each, place in told if each == subject] == list(range(1, 11))
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"processed"}


def test_a_version_that_does_not_come_becomes_a_case(provisioning, actor, now):
    _arrive(provisioning, now, ("s", 2))
    process_due(now=now)
    assert expire_waiting(now=now + dt.timedelta(minutes=14)) == 0
    assert expire_waiting(now=now + dt.timedelta(minutes=15)) == 1
    case = ExceptionCase.objects.get()
    assert (case.code, "version 1 of s" in case.explanation) == ("dependency_overdue", True)
    held = InboundEvent.objects.get()
    receive_again([held.id], actor=actor, now=now)  # a person says that it may go
    process_due(now=now)
    assert _told() == [("s", 2)]


def test_a_discarded_version_lets_the_next_one_go(provisioning, actor, now):
    _arrive(provisioning, now, ("s", 1))
    first = InboundEvent.objects.get()
    InboundEvent.objects.filter(id=first.id).update(payload={})  # cannot be translated
    process_due(now=now)
    _arrive(provisioning, now, ("s", 2))
    process_due(now=now)
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"dead", "waiting"}
    discard_events([first.id], reason="Told by phone", actor=actor, now=now)
    process_due(now=now)
    assert _told() == [("s", 2)]
