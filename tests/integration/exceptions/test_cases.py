"""One case for each stuck subject, grouped by cause; it changes under a revision and closes."""

import datetime as dt
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apps.core.errors import StaleWriteError
from apps.events.models import Event, Transition
from apps.exceptions.errors import CaseActionError
from apps.exceptions.models import DeadLetter, ExceptionCase, ExceptionFamily
from apps.exceptions.selectors import (
    count_views,
    family_members,
    get_case,
    list_cases,
    neighbours,
    strip_totals,
)
from apps.exceptions.services import (
    assign_cases,
    close_cases,
    close_for_subjects,
    discard_dead_letters,
    dismiss_cases,
    open_cases,
    park_dead_letters,
    release_cases,
    reopen_cases,
    settle_dead_letters,
    snooze_cases,
    start_redrive,
    wake_snoozed,
)
from apps.exceptions.types import CaseFilter, DeadLetterDraft
from tests.builders.cases import case_draft
from tests.builders.people import RATE_DAY, make_entities, make_principal

pytestmark = pytest.mark.django_db


@pytest.fixture
def entities():
    return make_entities()


def _types():
    return list(Event.objects.order_by("id").values_list("type", flat=True))


def test_one_case_a_subject_and_one_family_a_cause(entities, actor, now):
    drafts = [case_draft(entities["DE01"]) for _ in range(3)]
    cases = open_cases(drafts, actor=actor, now=now)
    assert [case.subject_id for case in cases] == [draft.subject_id for draft in drafts]
    assert ExceptionFamily.objects.count() == 1
    assert cases[0].reference.startswith("EXC-")
    assert (cases[0].severity, cases[0].category, cases[0].rev) == ("low", "mapping", 1)
    assert cases[0].sla_due_at == now + dt.timedelta(hours=24)
    assert _types() == ["exception.opened"] * 3
    assert open_cases([], actor=actor, now=now) == []


def test_the_same_failure_is_counted_and_a_new_cause_is_told(entities, actor, now):
    draft = case_draft(entities["DE01"])
    [case] = open_cases([draft], actor=actor, now=now)
    later = now + dt.timedelta(hours=1)
    closed = case_draft(
        entities["DE01"], subject_id=draft.subject_id, code="period_closed",
        title="November is closed", fingerprint=("period_closed", "DE01"),
    )  # fmt: skip
    [again] = open_cases([closed], actor=actor, now=later)
    again = ExceptionCase.objects.get()
    assert (again.id, again.seen, again.rev) == (case.id, 2, 2)
    assert (again.code, again.category, again.title) == (
        "period_closed", "period", "November is closed",
    )  # fmt: skip
    assert again.family_id != case.family_id
    assert again.sla_due_at == case.sla_due_at
    assert ExceptionCase.objects.count() == 1
    assert _types() == ["exception.opened", "exception.repeated"]


def test_a_family_closes_with_its_last_case_and_regresses(entities, actor, now):
    cases = open_cases([case_draft(entities["DE01"]) for _ in range(2)], actor=actor, now=now)
    close_cases([cases[0].id], resolution="retry", note="mapped", actor=actor, now=now)
    family = ExceptionFamily.objects.get()
    assert family.state == "open"
    subject = ("postings.posting", cases[1].subject_id)
    [closed] = close_for_subjects([subject], reason="It went through.", actor=actor, now=now)
    assert (closed.resolution, closed.resolution_note) == ("cause_gone", "It went through.")
    assert close_for_subjects([subject], reason="Again.", actor=actor, now=now) == []
    assert ExceptionFamily.objects.get().state == "resolved"
    open_cases([case_draft(entities["JP01"])], actor=actor, now=now)
    family = ExceptionFamily.objects.get()
    assert (family.state, family.legal_entity_id) == ("regressed", None)
    assert "exception_family.regressed" in _types()


def test_a_stale_revision_changes_nothing(entities, actor, now):
    [case] = open_cases([case_draft(entities["DE01"])], actor=actor, now=now)
    owner = uuid.uuid4()
    give = {"owner_id": owner, "owner_label": "Mara", "actor": actor, "now": now}
    assign_cases([case.id], revs={case.id: 1}, **give)
    with pytest.raises(StaleWriteError, match=f"{case.reference} changed since"):
        snooze_cases(
            [case.id], until=now + dt.timedelta(hours=2), actor=actor, now=now,
            revs={case.id: 1},
        )  # fmt: skip
    case = ExceptionCase.objects.get()
    assert (case.state, case.rev, case.owner_label) == ("assigned", 2, "Mara")


def test_snoozed_cases_come_back(entities, actor, now):
    cases = open_cases([case_draft(entities["DE01"]) for _ in range(2)], actor=actor, now=now)
    assign_cases([cases[0].id], owner_id=uuid.uuid4(), owner_label="Mara", actor=actor, now=now)
    until = now + dt.timedelta(hours=2)
    with pytest.raises(CaseActionError, match="within the next 30 days"):
        snooze_cases([cases[0].id], until=now, actor=actor, now=now)
    snooze_cases([c.id for c in cases], until=until, actor=actor, now=now)
    assert wake_snoozed(now=until - dt.timedelta(seconds=1)) == []
    assert len(wake_snoozed(now=until)) == 2
    states = dict(ExceptionCase.objects.values_list("owner_label", "state"))
    assert states == {"Mara": "assigned", "": "open"}
    release_cases([cases[0].id], actor=actor, now=now)
    assert set(ExceptionCase.objects.values_list("state", "owner_label")) == {("open", "")}


def test_a_closed_case_opens_again_unless_another_took_over(entities, actor, now):
    draft = case_draft(entities["DE01"])
    [case] = open_cases([draft], actor=actor, now=now)
    dismiss_cases([case.id], resolution="discard", note="Not ours.", actor=actor, now=now)
    [again] = reopen_cases([case.id], note="It is ours.", actor=actor, now=now)
    assert (again.state, again.closed_at, again.resolution) == ("reopened", None, "")
    close_cases([case.id], resolution="retry", note="", actor=actor, now=now)
    open_cases([draft], actor=actor, now=now)
    assert reopen_cases([case.id], note="", actor=actor, now=now) == []


def test_lists_and_figures_are_scoped_and_converted(entities, actor, now):
    open_cases(
        [
            case_draft(entities["DE01"]),
            case_draft(entities["JP01"], currency="JPY", amount_at_risk=Decimal(150_000)),
            case_draft(entities["US01"], currency="USD", amount_at_risk=Decimal("-10.50")),
            case_draft(None, currency="", amount_at_risk=None, code="malformed_payload"),
        ],
        actor=actor,
        now=now,
    )
    everyone = make_principal("Mara", "operations")
    german = make_principal("Dirk", "operations", entity=entities["DE01"])
    totals = strip_totals(everyone, CaseFilter(), now=now)
    assert totals.amount == Decimal("1320.00") + Decimal("1000.00") + Decimal("10.50")
    assert (totals.currency, totals.rate_date, totals.unconverted) == ("USD", RATE_DAY, 1)
    assert (totals.cases, totals.families) == (4, 1)
    assert strip_totals(german, CaseFilter(), now=now).cases == 2
    by_amount = list_cases(everyone, CaseFilter(), now=now, order="-amount")
    assert [c.currency for c in by_amount if c.currency] == ["EUR", "JPY", "USD"]
    gravest = list_cases(everyone, CaseFilter(), now=now, order="severity")[0]
    assert gravest.severity == "medium"
    number = list_cases(everyone, CaseFilter(currencies=("JPY",)), now=now)[0].number
    with pytest.raises(ExceptionCase.DoesNotExist):
        get_case(german, number)
    assert get_case(everyone, number).currency == "JPY"
    found = list_cases(everyone, CaseFilter(text=f"exc-{number}"), now=now)
    assert [c.number for c in found] == [number]
    family = ExceptionFamily.objects.get()
    assert family_members(german, family.id).count() == 2


def test_views_are_counted_at_once(entities, actor, now, django_assert_num_queries):
    cases = open_cases([case_draft(entities["DE01"]) for _ in range(4)], actor=actor, now=now)
    mara = make_principal("Mara", "operations")
    assign_cases(
        [cases[0].id], owner_id=uuid.UUID(mara.actor.id), owner_label="Mara", actor=actor, now=now
    )
    snooze_cases([cases[1].id], until=now + dt.timedelta(days=1), actor=actor, now=now)
    close_cases([cases[2].id], resolution="retry", note="", actor=actor, now=now)
    with django_assert_num_queries(1):
        counts = count_views(mara, now=now)
    assert counts == {
        "open": 2, "mine": 1, "unassigned": 1, "at_risk": 0, "critical": 0, "blocks_close": 0,
        "snoozed": 1, "closed_today": 1,
    }  # fmt: skip


def test_today_begins_at_midnight_of_the_zone_in_force(entities, actor, now):
    mara = make_principal("Mara", "operations")
    case = open_cases([case_draft(entities["DE01"])], actor=actor, now=now)[0]
    morning = dt.datetime(2026, 11, 24, 1, tzinfo=dt.UTC)  # 10 in the morning in Tokyo
    before = morning - dt.timedelta(hours=2)  # yesterday in UTC, 8 in the same morning in Tokyo
    close_cases([case.id], resolution="retry", note="", actor=actor, now=before)
    assert count_views(mara, now=morning)["closed_today"] == 0
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert count_views(mara, now=morning)["closed_today"] == 1


def test_the_next_case_in_the_list(entities, actor, now):
    cases = open_cases([case_draft(entities["DE01"]) for _ in range(3)], actor=actor, now=now)
    mara = make_principal("Mara", "operations")
    middle = neighbours(mara, CaseFilter(), cases[1].id, now=now, order="number")
    assert (middle.previous, middle.next) == (cases[0].number, cases[2].number)
    assert (middle.position, middle.total) == (2, 3)


def _letter(subject_id):
    return DeadLetterDraft(
        origin_type="postings.posting", origin_id=subject_id, connection_code="netsuite",
        message_type="invoice.create", error_code="vendor_outage", error_message="No answer.",
        attempts=5,
    )  # fmt: skip


def test_a_dead_letter_is_parked_once_redriven_and_settled(entities, actor, now):
    [case] = open_cases([case_draft(entities["DE01"])], actor=actor, now=now)
    [letter] = park_dead_letters([_letter(case.subject_id)], actor=actor, now=now)
    assert letter.case_id == case.id
    assert letter.code.startswith("DL-")
    assert park_dead_letters([_letter(case.subject_id)], actor=actor, now=now) == []
    start_redrive([letter.id], actor=actor, now=now)
    park_dead_letters([_letter(case.subject_id)], actor=actor, now=now)
    assert DeadLetter.objects.get().state == "parked"
    start_redrive([letter.id], actor=actor, now=now)
    origin = ("postings.posting", case.subject_id)
    settle_dead_letters([origin], reason="confirmed", actor=actor, now=now)
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.settled_reason) == ("redriven", "confirmed")
    assert discard_dead_letters([letter.id], reason="no", actor=actor, now=now) == []
    assert Transition.objects.filter(actor__isnull=True).count() == 0
