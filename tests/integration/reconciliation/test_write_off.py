"""A small difference is written off by one person, any other by two, none that is in flight."""

import datetime as dt
from decimal import Decimal

import pytest

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.services import approve
from apps.core.principal import Principal
from apps.events.models import Event
from apps.organisation.models import ExchangeRate
from apps.reconciliation.errors import WriteOffError
from apps.reconciliation.models import Break
from apps.reconciliation.services import carry_out_write_off, run_reconciliation, write_off
from apps.reconciliation.subscribers import hear_approvals
from apps.users.selectors import principal_of
from tests.factories.organisation import make_user
from tests.integration.reconciliation.world import World

REASON = "Rounding, agreed with audit"
LATER = dt.timedelta(minutes=20)


@pytest.fixture
def maker(world: World) -> Principal:
    return principal_of(make_user("ana", "finance"))


@pytest.fixture
def checker(world: World) -> Principal:
    return principal_of(make_user("bo", "finance"))


def _break(world: World, billing: str, erp: str, currency: str = "USD") -> Break:
    world.shown("billing", "INV-1", billing, currency=currency)
    world.shown("erp", "INV-1", erp, currency=currency)
    run_reconciliation("invoice", requested_by=world.actor, now=world.now + LATER)
    return Break.objects.get()


def test_a_rounding_is_written_off_by_one_person(world: World, maker: Principal) -> None:
    found = _break(world, "100.02", "100.00")
    with pytest.raises(WriteOffError, match="ten characters"):
        write_off(found.id, reason="ok", principal=maker, now=world.now)
    assert write_off(found.id, reason=REASON, principal=maker, now=world.now) is None
    done = Break.objects.get()
    assert (done.state, done.closed_reason, done.closed_by_label) == ("written_off", REASON, "Ana")
    told = Event.objects.get(type="break.written_off")
    assert told.data["reason"] == f"{REASON} (Ana)"


def test_more_needs_another_person_and_says_both(
    world: World, maker: Principal, checker: Principal
) -> None:
    found = _break(world, "5000", "100")
    asked = write_off(found.id, reason=REASON, principal=maker, now=world.now)
    assert asked is not None
    assert Break.objects.get().state == "open"
    with pytest.raises(ApprovalError, match="Another person must decide"):
        approve(asked.id, principal=maker, seen_hash=asked.content_hash, now=world.now)
    approve(asked.id, principal=checker, seen_hash=asked.content_hash, now=world.now)
    hear_approvals(list(Event.objects.filter(type="approval.approved")), world.now)
    done = Break.objects.get()
    assert (done.state, done.closed_by_label) == ("written_off", "Ana, approved by Bo")


@pytest.mark.parametrize(("rate", "asks"), [("0.5", False), ("1.5", True), (None, True)])
def test_the_limit_counts_in_the_reporting_currency(
    world: World, maker: Principal, rate: str | None, asks: bool
) -> None:
    if rate:
        ExchangeRate.objects.create(
            base_id="EUR", quote_id="USD", rate=Decimal(rate), rate_date=world.now.date(),
            source="test",
        )  # fmt: skip
    found = _break(world, "200", "100", "EUR")
    asked = write_off(found.id, reason=REASON, principal=maker, now=world.now)
    assert (asked is not None) == asks


def test_changed_amounts_void_the_request(world: World, maker: Principal) -> None:
    found = _break(world, "5000", "100")
    write_off(found.id, reason=REASON, principal=maker, now=world.now)
    world.shown("erp", "INV-1", "90.00", source_version=2)
    run_reconciliation("invoice", requested_by=world.actor, now=world.now + LATER * 2)
    assert Approval.objects.get().state == "stale"


def test_what_was_approved_for_other_amounts_is_not_done_and_told(
    world: World, maker: Principal, checker: Principal
) -> None:
    found = _break(world, "5000", "100")
    asked = write_off(found.id, reason=REASON, principal=maker, now=world.now)
    assert asked is not None
    approve(asked.id, principal=checker, seen_hash=asked.content_hash, now=world.now)
    Break.objects.update(erp_amount=Decimal(90))
    assert not carry_out_write_off(asked.id, actor=checker.actor, now=world.now)
    assert Break.objects.get().state == "open"
    told = Event.objects.get(type="break.write_off_refused")
    assert told.data["reason"] == f"{asked.code}: The amounts have changed since it was asked."


def test_work_in_flight_is_not_written_off(world: World, maker: Principal) -> None:
    world.shown("billing", "INV-1", "100")
    run_reconciliation("invoice", requested_by=world.actor, now=world.now)
    found = Break.objects.get()
    assert found.type == "timing"
    with pytest.raises(WriteOffError, match="passes by itself"):
        write_off(found.id, reason=REASON, principal=maker, now=world.now)
    assert Break.objects.get().state == "explained"
