"""An event that a part of the hub failed on is a case, whose retry hands it over again."""

import uuid

import pytest

from apps.core.principal import system_actor
from apps.events import registry
from apps.events.models import Event, SetAside
from apps.events.services import hand_over_asked, publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import ExceptionCase
from apps.resolutions.models import Resolution
from apps.resolutions.services import apply_remedy, report_set_aside
from tests.builders.events import deliver
from tests.builders.people import make_entities, make_principal

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(monkeypatch):
    """What the subscriber that failed heard since; it fails while this holds None."""
    got = [None]

    def handle(events, _now):
        if None in got:
            raise KeyError("tax")
        got.extend(event.id for event in events)

    monkeypatch.setattr(registry, "_subscribers", dict(registry._subscribers))
    registry.subscribe("tests.failing", "order.tested")(handle)
    return got


@pytest.fixture
def case(heard, now):
    entity = make_entities()["DE01"]
    new = NewEvent(
        "order.tested", "order", uuid.uuid4(), legal_entity_id=entity.id, data={"label": "O-1"}
    )
    publish_events([new], actor=system_actor("tests"), now=now)
    event = Event.objects.get(type="order.tested")
    SetAside.objects.create(subscriber="tests.failing", event_id=event.id, error="KeyError: 'tax'")
    assert report_set_aside(now=now) == 1
    assert report_set_aside(now=now) == 0
    return ExceptionCase.objects.get()


def _retry(case, now):
    mara = make_principal("Mara", "operations")
    return apply_remedy(case.id, "retry", params={}, principal=mara, now=now)


def test_a_person_is_told_in_words(case):
    row = SetAside.objects.get()
    assert (case.code, case.subject_id, case.document) == ("processing_fault", row.id, "O-1")
    assert case.title == "O-1 was not taken by tests.failing"
    assert "order.tested (KeyError: 'tax')" in case.explanation


def test_a_retry_hands_it_over_and_closes_the_case(case, heard, now):
    heard.clear()
    _retry(case, now)
    assert hand_over_asked(now=now) == 1
    row = SetAside.objects.get()
    assert heard == [row.event_id]
    deliver("set_aside.handed_over", "set_aside", row.id, now)
    closed = ExceptionCase.objects.get()
    assert (closed.state, closed.resolution) == ("resolved", "retry")
    assert closed.resolution_note == "order.tested was handed over to tests.failing."


def test_a_retry_in_vain_is_told_again(case, now):
    _retry(case, now)
    assert hand_over_asked(now=now) == 1
    assert report_set_aside(now=now) == 1
    deliver("exception.repeated", "exception_case", case.id, now)
    again = ExceptionCase.objects.get()
    assert (again.is_open, again.seen) == (True, 2)
    assert Resolution.objects.get().outcome == "failed"
