"""Legal entities, rates and people for tests."""

import datetime as dt
from decimal import Decimal

from apps.core.principal import Principal
from apps.organisation.models import Currency, ExchangeRate, Group, LegalEntity
from apps.users.models import Person, RoleGrant, User
from apps.users.selectors import principal_of

RATE_DAY = dt.date(2026, 11, 20)


def make_entities():
    """DE01 (EUR), JP01 (JPY) and US01 (USD), reporting in USD, rates quoted against EUR."""
    for code, exponent in (("EUR", 2), ("JPY", 0), ("USD", 2)):
        Currency.objects.create(code=code, name=code, exponent=exponent)
    Group.objects.create(name="Test group", reporting_currency_id="USD")
    for quote, rate in (("USD", "1.10"), ("JPY", "165")):
        ExchangeRate.objects.create(
            base_id="EUR", quote_id=quote, rate=Decimal(rate), rate_date=RATE_DAY, source="ECB"
        )
    return {
        code: LegalEntity.objects.create(
            code=code, name=code, country=code[:2], functional_currency_id=currency,
            time_zone="UTC",
        )
        for code, currency in (("DE01", "EUR"), ("JP01", "JPY"), ("US01", "USD"))
    }  # fmt: skip


def make_principal(name: str, *roles: str, entity=None, person: Person | None = None) -> Principal:
    """An account with roles in one legal entity or in all; a second account of a person too."""
    if person is None:
        person = Person.objects.create(name=name, email=f"{name.lower()}@example.com")
    user = User.objects.create_user(name.lower(), password="correct horse", person=person)
    user.first_name = name
    user.save()
    for role in roles:
        RoleGrant.objects.create(user=user, role=role, legal_entity=entity)
    return principal_of(user)
