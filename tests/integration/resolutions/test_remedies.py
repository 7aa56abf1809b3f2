"""A person's remedy reaches the app that acts, is recorded, and settles with its subject."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.approvals.models import Approval
from apps.approvals.services import approve
from apps.canonical.models import Customer, Invoice, RecordVersion
from apps.connectors.registry import connector_for
from apps.core.errors import StaleWriteError
from apps.events.models import Event
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import receive_again
from apps.mappings.models import ExternalReference
from apps.mappings.services import link_references
from apps.mappings.types import ReferenceDraft
from apps.organisation.models import PostingPeriod
from apps.postings.models import Posting
from apps.postings.services.unknown import sort_unknown
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.selectors import evidence_of, remedies_for
from apps.resolutions.services import apply_remedy
from apps.users.errors import NotAllowedError
from tests.builders.events import deliver
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import (
    make_connection,
    make_customer,
    make_event,
    make_posting,
    move_posting,
    open_case,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def entities():
    return make_entities()


@pytest.fixture
def netsuite():
    return make_connection()


@pytest.fixture
def mara():
    return make_principal("Mara", "operations")


def _apply(case, remedy, principal, now, reason="", rev=None, **params):
    return apply_remedy(
        case.id, remedy, params=params, principal=principal, now=now, reason=reason, rev=rev
    )


def _case(case):
    return ExceptionCase.objects.get(id=case.id)


def _codes(case, principal):
    return [remedy.code for remedy in remedies_for(case, principal)]


def test_retry_closes_the_case_once_the_posting_is_confirmed(entities, netsuite, mara, now, bells):
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now, code="period_closed")
    _apply(case, "retry", mara, now, rev=case.rev)
    after = Posting.objects.get()
    assert (after.state, after.payload_revision) == ("queued", 2)
    assert Resolution.objects.get().outcome == "started"
    assert _case(case).is_open
    move_posting(posting.id, "send", "post", "confirm")
    deliver("posting.confirmed", "posting", posting.id, now, document="INV-1")
    closed = _case(case)
    assert (closed.state, closed.resolution) == ("resolved", "retry")
    assert closed.resolution_note == "INV-1 was posted and confirmed."
    assert closed.closed_by_label == "Mara"
    assert Event.objects.get(type="exception_family.resolved").data["closed_by"] == "Mara"
    deliver("exception.resolved", "exception_case", case.id, now)
    tried = Resolution.objects.get()
    assert (tried.outcome, tried.outcome_note) == ("held", "INV-1 was posted and confirmed.")
    assert evidence_of("period_closed")["retry"].held == 1


def test_a_remedy_that_did_not_help_is_counted_as_failed(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    _apply(case, "retry", mara, now)
    open_case(entities["DE01"], "postings.posting", posting.id, now)
    deliver("exception.repeated", "exception_case", case.id, now)
    evidence = evidence_of(case.code)["retry"]
    assert (evidence.tried, evidence.held) == (1, 0)


def test_refusals_change_nothing(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    finance = make_principal("Fin", "finance")
    foreign = make_principal("Jun", "operations", entity=entities["JP01"])
    with pytest.raises(NotAllowedError, match="Operations or Admin"):
        _apply(case, "retry", finance, now)
    with pytest.raises(ExceptionCase.DoesNotExist):
        _apply(case, "retry", foreign, now)
    with pytest.raises(StaleWriteError, match="changed since"):
        _apply(case, "retry", mara, now, rev=case.rev + 1)
    with pytest.raises(RemedyError, match="There is no remedy magic"):
        _apply(case, "magic", mara, now)
    with pytest.raises(RemedyError, match="does not fit"):
        _apply(case, "edit_and_retry", mara, now)
    with pytest.raises(RemedyError) as short:
        _apply(case, "discard", mara, now, reason="too short")
    assert "at least 10 characters" in short.value.fields["reason"]
    assert Posting.objects.get().state == "rejected"
    assert Resolution.objects.count() == 0
    assert _case(case).rev == case.rev


def test_discarding_cancels_and_dismisses(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    row = _apply(case, "discard", mara, now, reason="Billed twice by mistake.")
    assert row.outcome == "held"
    assert Posting.objects.get().state == "cancelled"
    closed = _case(case)
    assert (closed.state, closed.resolution_note) == ("dismissed", "Billed twice by mistake.")
    assert remedies_for(closed, mara) == []
    with pytest.raises(RemedyError, match="dismissed already"):
        _apply(case, "retry", mara, now)


def test_what_may_stand_is_not_discarded_by_one_person(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "send", "post", "park", external_id="99")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now,
                     code="amount_incident", facts={})  # fmt: skip
    with pytest.raises(RemedyError, match="Choose “Decide what happened” first"):
        _apply(case, "discard", mara, now, reason="Billed twice by mistake.")
    assert Posting.objects.get().state == "parked"
    assert _case(case).is_open


def test_corrected_master_data_reaches_every_case_of_the_customer(entities, netsuite, mara, now):
    acme = make_customer(entities["DE01"])
    payload = {"customer": {"id": str(acme.id), "country": "DE"}}
    postings = [
        make_posting(netsuite, entities["DE01"], "reject", payload=payload) for _ in range(2)
    ]
    about = {"code": "tax_validation_failed", "fingerprint": ("tax", "C-1"),
             "facts": {"field": "customer.vat_id"}}  # fmt: skip
    cases = [open_case(entities["DE01"], "postings.posting", p.id, now, **about) for p in postings]
    form = {field.name: field for field in remedies_for(cases[0], mara)[0].fields}
    assert form["field"].value == "vat_id"
    with pytest.raises(RemedyError) as bad:
        _apply(cases[0], "correct_master_data", mara, now, field="id", value="x")
    assert list(bad.value.fields) == ["field"]
    with pytest.raises(RemedyError) as long:
        _apply(cases[0], "correct_master_data", mara, now, field="vat_id", value="x" * 41)
    assert "at most 40 characters" in long.value.fields["value"]
    with pytest.raises(RemedyError, match="Nothing would change"):
        _apply(cases[0], "correct_master_data", mara, now, field="vat_id", value="")
    _apply(cases[0], "correct_master_data", mara, now, field="vat_id", value="DE123456789")
    assert Customer.objects.get().vat_id == "DE123456789"
    assert RecordVersion.objects.get().actor_label == "Mara"
    assert set(Posting.objects.values_list("state", flat=True)) == {"queued"}
    assert Resolution.objects.count() == 2


def test_an_edited_message_keeps_its_original(entities, mara, now):
    cpq = make_connection("salesforce", "cpq", "salesforce")
    payload = {"Id": "a0Q1", "lines": [{"qty": "abc"}]}
    event = make_event(cpq, entities["DE01"], payload=payload)
    case = open_case(
        entities["DE01"], "ingestion.event", event.id, now, code="malformed_payload",
        facts={"field": "lines[0].qty"},
    )  # fmt: skip
    assert _codes(case, mara) == ["edit_and_retry", "retry", "discard"]
    refused = {"": "Enter the message", "{": "Line 1, column 2", "[1]": "Start with {"}
    for text, words in refused.items():
        with pytest.raises(RemedyError) as bad:
            _apply(case, "edit_and_retry", mara, now, payload=text)
        assert words in bad.value.fields["payload"]
    with pytest.raises(RemedyError, match="Nothing would change"):
        _apply(case, "edit_and_retry", mara, now, payload='{"lines":[{"qty":"abc"}],"Id":"a0Q1"}')
    _apply(case, "edit_and_retry", mara, now, payload='{"Id":"a0Q1","lines":[{"qty":12.50}]}')
    event = InboundEvent.objects.get()
    assert (event.state, event.payload) == ("received", payload)
    assert event.edited_payload == {"Id": "a0Q1", "lines": [{"qty": "12.50"}]}
    assert Resolution.objects.get().params == {"changed": ["lines[0].qty"]}


def test_a_newer_version_closes_the_cases_of_older_ones(entities, mara, now):
    cpq = make_connection("salesforce", "cpq", "salesforce")
    old = make_event(cpq, entities["DE01"], payload={"Id": "a0Q1"})
    case = open_case(entities["DE01"], "ingestion.event", old.id, now,
                     code="acceptance_without_approval", facts={})  # fmt: skip
    new = make_event(cpq, entities["DE01"], payload={"Id": "a0Q1"}, state="received", version=2)
    deliver("inbound.processed", "inbound_event", new.id, now)
    assert InboundEvent.objects.get(id=old.id).state == "ignored"
    closed = _case(case)
    assert (closed.state, closed.resolution) == ("resolved", "superseded")


def test_the_next_open_period(entities, netsuite, mara, now):
    for code, month, state in (("2026-10", 10, "locked"), ("2026-11", 11, "open")):
        PostingPeriod.objects.create(
            legal_entity=entities["DE01"], code=code, start=dt.date(2026, month, 1),
            end=dt.date(2026, month + 1, 1), state=state,
        )  # fmt: skip
    acme = make_customer(entities["DE01"])
    invoice = Invoice.objects.create(
        legal_entity=entities["DE01"], number="INV-1", customer=acme, currency="EUR",
        invoice_date=dt.date(2026, 10, 15), posting_date=dt.date(2026, 10, 15), net=Decimal(100),
        tax=Decimal(19), gross=Decimal(119),
    )  # fmt: skip
    payload = {"posting_date": "2026-10-15", "meant": {"document_date": "2026-10-15", "net": "1"},
               "invoice": {"posting_date": "2026-10-15"}}  # fmt: skip
    posting = make_posting(
        netsuite, entities["DE01"], "reject", payload=payload, document_id=invoice.id
    )
    case = open_case(entities["DE01"], "postings.posting", posting.id, now, code="period_closed")
    offered = remedies_for(case, mara)[0]
    assert offered.code == "retry_next_period"
    assert offered.note.endswith("That is 2026-11: it is posted on 1 Nov 2026.")
    _apply(case, "retry_next_period", mara, now)
    assert Posting.objects.get().payload == {
        "posting_date": "2026-11-01", "meant": {"document_date": "2026-11-01", "net": "1"},
        "invoice": {"posting_date": "2026-11-01"},
    }  # fmt: skip
    moved = Invoice.objects.get()
    assert (moved.posting_date, moved.invoice_date) == (
        dt.date(2026, 11, 1), dt.date(2026, 10, 15),
    )  # fmt: skip


def test_no_open_period_is_said(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "reject", operation="journal.create")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now, code="period_closed")
    with pytest.raises(RemedyError, match="No later posting period is open"):
        _apply(case, "retry_next_period", mara, now)
    assert Posting.objects.get().state == "rejected"


@pytest.mark.parametrize(
    ("decision", "external_id", "state"),
    [("exists", "4711", "posted"), ("absent", "", "queued")],
)
def test_two_people_decide_what_happened(
    entities, netsuite, mara, now, decision, external_id, state
):
    posting = make_posting(netsuite, entities["DE01"], "send", "lose_track", "park")
    case = open_case(
        entities["DE01"], "postings.posting", posting.id, now,
        code="unknown_outcome_needs_decision", facts={},
    )  # fmt: skip
    assert _codes(case, mara) == ["decide_outcome"]
    with pytest.raises(RemedyError, match="does not fit"):
        _apply(case, "retry", mara, now)
    _apply(case, "decide_outcome", mara, now, reason="Looked it up in NetSuite.",
           decision=decision, external_id=external_id)  # fmt: skip
    asked = Approval.objects.get()
    assert Posting.objects.get().state == "parked"
    finance = make_principal("Fin", "finance")
    done = approve(asked.id, principal=finance, seen_hash=asked.content_hash, now=now)
    deliver("approval.approved", "approval", asked.id, now, kind="outcome_decision",
            decided_by=done.decided_by_label, decided_by_id=str(done.decided_by_id))  # fmt: skip
    after = Posting.objects.get()
    assert (after.state, after.external_id) == (state, external_id)
    assert Resolution.objects.get().outcome == "started"


def _decide_and_approve(case, mara, now, **values):
    _apply(case, "decide_outcome", mara, now, **values)
    asked = Approval.objects.get()
    done = approve(asked.id, principal=make_principal("Fin", "finance"),
                   seen_hash=asked.content_hash, now=now)  # fmt: skip
    deliver("approval.approved", "approval", asked.id, now, kind="outcome_decision",
            decided_by=done.decided_by_label, decided_by_id=str(done.decided_by_id))  # fmt: skip
    return asked


def test_a_difference_is_accepted_for_a_document_that_is_there(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "send", "post", "park", external_id="99")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now,
                     code="amount_incident", facts={})  # fmt: skip
    with pytest.raises(RemedyError) as bad:
        _apply(case, "decide_outcome", mara, now, reason="Send it again please.",
               decision="resend")  # fmt: skip
    assert list(bad.value.fields) == ["decision"]
    _decide_and_approve(case, mara, now, reason="Rounding of the ERP.", decision="accept")
    assert Posting.objects.get().state == "confirmed"
    assert uuid.UUID(str(case.subject_id)) == posting.id


def test_a_document_that_was_removed_is_looked_for_before_it_is_sent_again(
    entities, netsuite, mara, now
):
    """Not queued: unknown, under a new key and with nothing sent under it (REL-32)."""
    posting = make_posting(
        netsuite, entities["DE01"], "send", "post", "park", external_id="99",
        result={"number": "7"}, first_sent_at=now, attempts=1,
    )  # fmt: skip
    link_references([ReferenceDraft(netsuite.id, "invoice", "99", "invoice", posting.document_id)])
    case = open_case(entities["DE01"], "postings.posting", posting.id, now,
                     code="amount_incident", facts={})  # fmt: skip
    form = {field.name: field for field in remedies_for(case, mara)[0].fields}
    offered = {choice.value: choice.label for choice in form["decision"].choices}
    assert list(offered) == ["exists", "accept", "absent"]
    assert "look for it" in offered["absent"]
    asked = _decide_and_approve(case, mara, now, reason="Deleted by the ledger team.",
                                decision="absent")  # fmt: skip
    assert "was removed at the platform; it is looked for" in asked.title
    after = Posting.objects.get()
    assert (after.state, after.external_id, after.result) == ("unknown", "", {})
    assert (after.payload_revision, after.first_sent_at, after.lookups) == (2, None, 0)
    assert not ExternalReference.objects.exists()
    assert Event.objects.filter(type="posting.doubted", actor_kind="user").count() == 1
    netsuite_connector = connector_for("netsuite")
    claim = sort_unknown(netsuite, netsuite_connector, worker="w", limit=10, now=now)
    assert [p.id for p in claim.postings] == [posting.id]  # to be looked up
    assert Posting.objects.get().state == "unknown"
    Posting.objects.update(lookups=2, due_at=now - dt.timedelta(days=400), claimed_by="")
    assert sort_unknown(netsuite, netsuite_connector, worker="w", limit=10, now=now).postings == []
    assert Posting.objects.get().state == "queued"  # absent twice


def test_what_only_the_source_can_mend_is_read_there_again(entities, mara, now):
    cpq = make_connection("salesforce", "cpq", "salesforce")
    own = make_connection("api", "cpq", "api")
    events = [
        make_event(cpq, entities["DE01"], payload={"Id": "a0Q1"}),
        make_event(cpq, entities["DE01"], payload={"Id": "a0Q2"}, object_id="a0Q2"),
        make_event(own, entities["DE01"], payload={"Id": "a0Q3"}, object_id="a0Q3"),
    ]
    ids = [event.id for event in events]
    InboundEvent.objects.filter(id__in=[ids[0], ids[2]]).update(
        error_code="acceptance_without_approval"
    )
    receive_again(ids, actor=mara.actor, now=now)
    left = [(e.state, e.wait_reason) for e in InboundEvent.objects.order_by("object_id")]
    # Nobody can be asked for what a program sent to our own API: its message is read again.
    assert left == [("waiting", "fetch"), ("received", ""), ("received", "")]
