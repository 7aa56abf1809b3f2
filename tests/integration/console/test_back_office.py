"""The back office tells the audit log what it changes, and leaves alone what must stay."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from apps.console.admin import CHANGEABLE
from apps.core.fsm import transition_set
from apps.events.models import Event
from apps.events.services import acting
from apps.organisation.models import Currency, ExchangeRate, PostingPeriod
from apps.users.models import RoleGrant, User
from tests.factories.world import TESTS, World

SignIn = Callable[[str], Client]


@pytest.fixture
def office(signed_in: SignIn, world: World) -> Client:
    User.objects.filter(username="ada").update(is_staff=True, is_superuser=True)
    return signed_in("ada")


def _path(row: Any, what: str) -> str:
    meta = type(row)._meta
    return f"/backoffice/{meta.app_label}/{meta.model_name}/{row.pk}/{what}/"


def _last(kind: str) -> Event:
    return Event.objects.filter(type=kind).latest("id")


def test_a_changed_rate_is_in_the_audit_log_with_its_person(office: Client) -> None:
    rate = ExchangeRate.objects.create(
        base_id="EUR", quote_id="USD", rate=Decimal("1.2"), rate_date=dt.date(2026, 1, 2),
        source="ECB",
    )  # fmt: skip
    form = {"base": "EUR", "quote": "USD", "rate": "1.3", "rate_date": "2026-01-02",
            "source": "ECB"}  # fmt: skip
    assert office.post(_path(rate, "change"), form).status_code == 302
    event = _last("exchange_rate.changed")
    assert (event.actor_label, event.aggregate_id) == ("Ada", rate.id)
    assert (event.data["before"], event.data["after"]) == ({"rate": "1.2"}, {"rate": "1.3"})
    log = office.get("/audit/").text
    assert "Exchange rate changed" in log
    assert "rate: 1.2 → 1.3" in log


def test_what_is_added_is_told_and_what_is_left_as_it_was_is_not(office: Client) -> None:
    form = {"code": "CHF", "name": "Swiss franc", "exponent": "2"}
    assert office.post("/backoffice/organisation/currency/add/", form).status_code == 302
    added = _last("currency.added")
    assert added.data["after"] == {"code": "CHF", "name": "Swiss franc"}
    again = {"name": "Swiss franc", "exponent": "2"}
    assert office.post(_path(Currency(code="CHF"), "change"), again).status_code == 302
    assert not Event.objects.filter(type="currency.changed").exists()


@pytest.mark.parametrize("move", ["lock", "begin_close"])
def test_a_closed_period_can_neither_be_deleted_nor_changed(office: Client, move: str) -> None:
    period = PostingPeriod.objects.filter(state="open")[0]
    end = period.end
    with acting(TESTS):
        assert transition_set(PostingPeriod, move, [period.id])
    assert office.post(_path(period, "delete"), {"post": "yes"}).status_code == 403
    form = {"legal_entity": str(period.legal_entity_id), "code": period.code,
            "start": str(period.start), "end": str(end + dt.timedelta(days=1))}  # fmt: skip
    assert office.post(_path(period, "change"), form).status_code == 403
    assert PostingPeriod.objects.get(id=period.id).end == end


def test_no_second_period_opens_the_days_of_a_closed_one(office: Client) -> None:
    period = PostingPeriod.objects.filter(state="open")[0]
    with acting(TESTS):
        assert transition_set(PostingPeriod, "lock", [period.id])
    form = {"legal_entity": str(period.legal_entity_id), "code": "again",
            "start": str(period.start), "end": str(period.end)}  # fmt: skip
    answer = office.post("/backoffice/organisation/postingperiod/add/", form)
    assert "is locked and holds some of the days" in answer.text
    assert not PostingPeriod.objects.filter(code="again").exists()


def test_nothing_but_a_role_is_deleted(office: Client, world: World) -> None:
    period = PostingPeriod.objects.filter(state="open")[0]
    account = world.users["dieter"]
    for row in (period, account, account.person, world.entities["JP01"]):
        assert office.post(_path(row, "delete"), {"post": "yes"}).status_code == 403
    grant = RoleGrant.objects.get(user=account)
    assert office.post(_path(grant, "delete"), {"post": "yes"}).status_code == 302
    told = _last("role.revoked")
    assert (told.actor_label, told.aggregate_id) == ("Ada", account.pk)


def test_a_new_password_is_told_without_the_password(office: Client, world: World) -> None:
    account = world.users["mara"]
    form = {"password1": "a long new one 7", "password2": "a long new one 7",
            "usable_password": "true"}  # fmt: skip
    assert office.post(_path(account, "password"), form).status_code == 302
    told = _last("user.changed")
    assert told.data["note"] == "password set"
    assert "pbkdf2" not in str(told.data)


def test_every_record_that_may_be_changed_has_a_name() -> None:
    assert [m.__name__ for m in CHANGEABLE if m.__str__ is Model.__str__] == []


@pytest.mark.parametrize("model", CHANGEABLE)
def test_lists_are_searched_and_split(office: Client, model: type[Model]) -> None:
    meta = model._meta
    response = office.get(f"/backoffice/{meta.app_label}/{meta.model_name}/?q=x")
    assert response.status_code == 200
    assert 'id="searchbar"' in response.text
    assert " object (" not in response.text


def test_periods_and_grants_say_whose_they_are(office: Client, world: World) -> None:
    page = office.get("/backoffice/organisation/postingperiod/")
    assert re.search(r"field-legal_entity[^>]*>(<[^>]*>)?DE01", page.text)
    assert {"legal_entity", "state"} <= set(page.context["cl"].list_filter)
    entity = world.entities["DE01"]
    narrowed = office.get(
        f"/backoffice/organisation/postingperiod/?legal_entity__id__exact={entity.id}"
    )
    assert {p.legal_entity_id for p in narrowed.context["cl"].result_list} == {entity.id}
    grants = office.get("/backoffice/users/rolegrant/?q=dieter").context["cl"].result_list
    assert [str(grant) for grant in grants] == ["dieter: Operations in DE01"]
