"""The payload behind a case: only what was sent is shown as sent, and the fault can be read."""

import datetime as dt
import json
from typing import Any

import pytest

from apps.console.sections.exception_detail import Payload, payload_of
from apps.console.sections.subjects import subject_of
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.organisation.models import LegalEntity
from tests.builders.people import make_entities
from tests.builders.stuck import make_connection, make_event, make_posting, move_posting, open_case

pytestmark = pytest.mark.django_db

EVENT = json.dumps(
    {"id": "evt_1", "type": "invoice.paid", "data": {"object": {"currency": 17, "number": None}}}
)


@pytest.fixture
def entity() -> LegalEntity:
    return make_entities()["DE01"]


def _payload(case: ExceptionCase, mode: str = "changed") -> Payload:
    return payload_of(case, subject_of(case), mode)


def _lines(case: ExceptionCase, mode: str = "changed") -> list[tuple[str, str, str, str]]:
    return [(x.field, x.left, x.right, x.state) for x in _payload(case, mode).lines]


def _message(entity: LegalEntity, now: dt.datetime, **values: Any) -> ExceptionCase:
    stripe = make_connection("stripe", "billing", "stripe")
    event = make_event(stripe, entity, payload=values.pop("payload"))
    InboundEvent.objects.filter(pk=event.pk).update(**values)
    return open_case(entity, "ingestion.event", event.id, now, code="malformed_payload", facts={})


def _write(entity: LegalEntity, now: dt.datetime, **values: Any) -> ExceptionCase:
    posting = make_posting(make_connection(), entity, "reject", **values)
    return open_case(entity, "postings.posting", posting.id, now, facts={})


def test_raw_is_the_document_in_its_own_shape(entity: LegalEntity, now: dt.datetime) -> None:
    case = _message(entity, now, payload={"raw": EVENT}, error_field="data.object.id")
    assert json.loads(_payload(case, "raw").raw) == json.loads(EVENT)
    lines = {"currency": 17, "lines": [{"Name": "Seat"}], "email": "jo@halvorsen.example"}
    other = _write(entity, now, payload=lines)
    raw = json.loads(_payload(other, "raw").raw)
    assert (raw["lines"], raw["currency"]) == ([{"Name": "Seat"}], 17)
    assert "halvorsen" not in raw["email"]


def test_a_field_that_is_not_there_is_at_fault(entity: LegalEntity, now: dt.datetime) -> None:
    case = _message(entity, now, payload={"raw": EVENT}, error_field="data.object.id")
    assert _lines(case) == [("data.object.id", "", "", "missing")]
    assert _payload(case).modes[0].label == "At fault 1"


def test_an_edit_is_compared_with_the_record_in_the_event(
    entity: LegalEntity, now: dt.datetime
) -> None:
    edited = {"id": "in_7", "currency": 17, "number": None}
    case = _message(entity, now, payload={"raw": EVENT}, edited_payload=edited)
    assert _lines(case) == [("id", "", "in_7", "changed")]
    assert _payload(case).right_title == "As edited"


def test_nothing_is_said_to_be_sent_that_was_not(entity: LegalEntity, now: dt.datetime) -> None:
    payload = {"customer": {"state": "IL", "vat_id": "FR12"}}
    case = _write(entity, now, payload=payload, error_field="customer.vat_id")
    assert _lines(case) == [("customer.vat_id", "FR12", "", "missing")]
    assert _payload(case).right_title == ""
    move_posting(case.subject_id, "requeue")
    assert _lines(case) == []
    assert ("customer.vat_id", "•••", "", "same") in _lines(case, "all")


def test_the_date_of_a_closed_period_is_at_fault_under_its_name_there(
    entity: LegalEntity, now: dt.datetime
) -> None:
    case = _write(
        entity, now, payload={"posting_date": "2026-08-31"}, error_code="period_closed",
        request={"tranDate": "2026-08-31", "memo": "INV-1"},
    )  # fmt: skip
    assert _lines(case) == [("tranDate", "", "2026-08-31", "missing")]
    assert _payload(case).right_title == "Sent"
