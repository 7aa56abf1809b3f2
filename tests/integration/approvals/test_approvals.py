"""Another person decides, for the content they saw; the database holds to it without the code."""

import datetime as dt
import uuid

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.selectors import approvals_of, list_to_decide, why_not
from apps.approvals.services import (
    approve,
    expire_overdue,
    make_stale,
    reject,
    request_approval,
)
from apps.approvals.types import ApprovalRequest
from apps.core.errors import StaleWriteError
from apps.core.principal import Actor, Principal
from apps.events.models import Event
from apps.users.models import Person
from tests.builders.people import make_principal

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker():
    return make_principal("Mara", "operations", "admin")


@pytest.fixture
def checker():
    return make_principal("Clara", "admin")


def _request(**changes):
    values = {
        "kind": "mapping_version", "title": "products.netsuite version 2",
        "subject_type": "mappings.version", "subject_id": uuid.uuid4(),
        "content": {"PRO-1": "1001"}, "reason": "New product",
    }  # fmt: skip
    return ApprovalRequest(**{**values, **changes})


def _ask(maker, now, **changes):
    return request_approval(_request(**changes), principal=maker, now=now)


def test_a_second_person_approves(maker, checker, now):
    asked = _ask(maker, now)
    done = approve(
        asked.id, principal=checker, seen_hash=asked.content_hash, now=now, note=" Looks right. "
    )
    assert (done.state, done.decided_by_label, done.decision_note) == (
        "approved", "Clara", "Looks right.",
    )  # fmt: skip
    assert list(Event.objects.values_list("type", flat=True).order_by("id")) == [
        "approval.requested", "approval.approved",
    ]  # fmt: skip
    with pytest.raises(ApprovalError, match="already approved"):
        reject(asked.id, principal=checker, note="no", now=now)
    assert approvals_of("mappings.version", [asked.subject_id])[asked.subject_id].id == asked.id


def test_the_maker_s_other_account_is_the_maker(maker, now):
    asked = _ask(maker, now)
    person = Person.objects.get(id=maker.person_id)
    other = make_principal("Mara2", "admin", person=person)
    for principal in (maker, other):
        with pytest.raises(ApprovalError, match="Another person must decide"):
            approve(asked.id, principal=principal, seen_hash=asked.content_hash, now=now)
        assert list(list_to_decide(principal)) == []
    assert Approval.objects.get().state == "requested"


def test_role_content_and_reason_are_checked(maker, checker, now):
    asked = _ask(maker, now)
    colleague = make_principal("Oskar", "operations")
    with pytest.raises(ApprovalError, match="Only Admin may decide"):
        approve(asked.id, principal=colleague, seen_hash=asked.content_hash, now=now)
    with pytest.raises(StaleWriteError, match="not for the content you saw"):
        approve(asked.id, principal=checker, seen_hash="0" * 64, now=now)
    with pytest.raises(ApprovalError, match="Say why"):
        reject(asked.id, principal=checker, note="  ", now=now)
    assert [a.id for a in list_to_decide(checker)] == [asked.id]
    assert why_not(checker, asked) == ""
    assert Approval.objects.get().state == "requested"
    assert Event.objects.count() == 1


def test_a_program_neither_asks_nor_decides(maker, now):
    program = Principal(Actor("client", str(uuid.uuid4()), "Robot"), frozenset({"admin"}))
    with pytest.raises(ApprovalError, match="person must propose"):
        _ask(program, now)
    asked = _ask(maker, now)
    with pytest.raises(ApprovalError, match="a person must"):
        approve(asked.id, principal=program, seen_hash=asked.content_hash, now=now)


def test_new_content_makes_the_old_request_stale(maker, now):
    subject = uuid.uuid4()
    first = _ask(maker, now, subject_id=subject)
    assert _ask(maker, now, subject_id=subject).id == first.id
    second = _ask(maker, now, subject_id=subject, content={"PRO-1": "1002"})
    assert dict(Approval.objects.values_list("id", "state")) == {
        first.id: "stale", second.id: "requested",
    }  # fmt: skip
    make_stale([("mappings.version", subject)], actor=maker.actor, now=now)
    assert set(Approval.objects.values_list("state", flat=True)) == {"stale"}


def test_a_request_expires(maker, now):
    _ask(maker, now, needed_by=now + dt.timedelta(hours=1))
    assert expire_overdue(now=now) == []
    assert [a.state for a in expire_overdue(now=now + dt.timedelta(hours=1))] == ["expired"]


DECIDE = """
UPDATE approvals_approval
SET state = 'approved', decided_by_id = %s, decided_person_id = %s, decided_at = now()
WHERE id = %s
"""


def _run(statement, *params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


def test_raw_sql_cannot_pass_the_maker_as_checker(maker, checker, now):
    asked = _ask(maker, now)
    maker_id, checker_id = uuid.UUID(maker.actor.id), uuid.UUID(checker.actor.id)
    second = make_principal("Mara2", "admin", person=Person.objects.get(id=maker.person_id))
    attempts = [
        (maker_id, maker.person_id, "maker_is_not_checker"),
        (uuid.UUID(second.actor.id), maker.person_id, "maker_is_not_checker"),
        (maker_id, checker.person_id, "not the person of the account that decided"),
        (uuid.uuid4(), checker.person_id, "not the person of the account that decided"),
        (None, checker.person_id, "not the person of the account that decided"),
        (None, None, "decision_has_a_person"),
    ]
    for account, person, words in attempts:
        with pytest.raises(IntegrityError, match=words):
            _run(DECIDE, account, person, asked.id)
    with pytest.raises(IntegrityError, match="by whom, does not change"):
        _run(
            "UPDATE approvals_approval SET requested_by_id = %s, requested_person_id = %s",
            checker_id,
            checker.person_id,
        )
    with pytest.raises(IntegrityError, match="by whom, does not change"):
        _run("UPDATE approvals_approval SET content_hash = repeat('0', 64)")
    assert Approval.objects.get().state == "requested"
    _run(DECIDE, checker_id, checker.person_id, asked.id)
    with pytest.raises(IntegrityError, match="a decision does not change"):
        _run("UPDATE approvals_approval SET decided_at = now() + interval '1 day'")


def test_raw_sql_cannot_ask_in_another_person_s_name(maker, checker, now):
    asked = _ask(maker, now)
    with pytest.raises(IntegrityError, match="not the person of the account that asked"):
        Approval.objects.bulk_create(
            [
                Approval(
                    kind=asked.kind, title="x", subject_type="x", subject_id=uuid.uuid4(),
                    content_hash="0" * 64, requested_by_id=asked.requested_by_id,
                    requested_by_label="x", requested_person_id=checker.person_id,
                )
            ]
        )  # fmt: skip
