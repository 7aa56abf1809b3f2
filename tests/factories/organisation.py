"""The company group, its people and their roles."""

import datetime as dt
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.organisation.models import Currency, ExchangeRate, Group, LegalEntity, PostingPeriod
from apps.users.models import Person, RoleGrant, User

EXPONENTS = {"JPY": 0}
RATES = {"EUR": "1.1620", "GBP": "1.3275", "JPY": "0.0067"}
ENTITIES = (
    ("US01", "Northwind US Inc.", "US", "USD", "America/New_York"),
    ("DE01", "Northwind Deutschland GmbH", "DE", "EUR", "Europe/Berlin"),
    ("JP01", "Northwind Japan KK", "JP", "JPY", "Asia/Tokyo"),
)


class CurrencyFactory(DjangoModelFactory[Currency]):
    class Meta:
        model = Currency
        django_get_or_create = ("code",)

    code = "EUR"
    name = factory.LazyAttribute(lambda o: o.code)
    exponent = factory.LazyAttribute(lambda o: EXPONENTS.get(o.code, 2))


class LegalEntityFactory(DjangoModelFactory[LegalEntity]):
    class Meta:
        model = LegalEntity
        django_get_or_create = ("code",)

    code = "DE01"
    name = factory.LazyAttribute(lambda o: f"Company {o.code}")
    country = factory.LazyAttribute(lambda o: o.code[:2])
    functional_currency = factory.SubFactory(CurrencyFactory)
    time_zone = "Europe/Berlin"


class PersonFactory(DjangoModelFactory[Person]):
    class Meta:
        model = Person

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@example.com")


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    person = factory.SubFactory(
        PersonFactory, name=factory.LazyAttribute(lambda o: o.factory_parent.username.title())
    )
    email = factory.LazyAttribute(lambda o: f"{o.username}@example.com")
    first_name = factory.LazyAttribute(lambda o: o.username.title())
    last_name = ""

    @factory.post_generation
    def password(self: User, create: bool, extracted: str | None, **_: Any) -> None:
        self.set_password(extracted or "open sesame")
        self.save()


def make_user(username: str, *roles: str, entity: LegalEntity | None = None) -> User:
    """An account with roles, in one legal entity or in all."""
    user = UserFactory.create(username=username)
    for role in roles:
        RoleGrant.objects.create(user=user, role=role, legal_entity=entity)
    return user


def make_group(today: dt.date) -> dict[str, LegalEntity]:
    """Three entities, four currencies, rates of yesterday and six periods each, by code."""
    usd = CurrencyFactory.create(code="USD", name="US dollar")
    Group.objects.get_or_create(name="Northwind", reporting_currency=usd)
    yesterday = today - dt.timedelta(days=1)
    for code, rate in RATES.items():
        base = CurrencyFactory.create(code=code)
        ExchangeRate.objects.get_or_create(
            base=base, quote=usd, rate_date=yesterday, source="ECB",
            defaults={"rate": Decimal(rate)},
        )  # fmt: skip
    entities = {}
    for code, name, country, currency, zone in ENTITIES:
        entities[code] = LegalEntityFactory.create(
            code=code, name=name, country=country, time_zone=zone,
            functional_currency=CurrencyFactory.create(code=currency),
        )  # fmt: skip
        _make_periods(entities[code], today)
    return entities


def _make_periods(entity: LegalEntity, today: dt.date) -> None:
    first = today.replace(day=1)
    for offset in range(-2, 4):
        month = first.month - 1 + offset
        start = first.replace(year=first.year + month // 12, month=month % 12 + 1)
        end = (start + dt.timedelta(days=32)).replace(day=1)
        PostingPeriod.objects.get_or_create(
            legal_entity=entity, code=f"{start:%Y-%m}",
            defaults={"start": start, "end": end, "state": "locked" if offset == -2 else "open"},
        )  # fmt: skip
