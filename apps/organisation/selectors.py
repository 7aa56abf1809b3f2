"""Reads of the group: periods, rates, entities."""

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps.core.money import quantise
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.organisation.models import ExchangeRate, Group, LegalEntity, PostingPeriod

OPEN = ("open", "reopened", "closing")


def list_entities(principal: Principal) -> list[LegalEntity]:
    """The legal entities a principal may see."""
    entities = LegalEntity.objects.select_related("functional_currency").order_by("code")
    if principal.entity_ids is not None:
        entities = entities.filter(id__in=principal.entity_ids)
    return list(entities)


def list_periods(principal: Principal) -> ScopedQuerySet:
    return (
        PostingPeriod.objects.visible_to(principal)
        .select_related("legal_entity")
        .order_by("legal_entity__code", "-start")
    )


def period_for(entity_id: uuid.UUID, day: dt.date) -> PostingPeriod | None:
    """The posting period of a legal entity that holds a business date."""
    return PostingPeriod.objects.filter(
        legal_entity_id=entity_id, start__lte=day, end__gt=day
    ).first()


def next_open_period(entity_id: uuid.UUID, day: dt.date) -> PostingPeriod | None:
    """The first open period that ends after a business date."""
    return (
        PostingPeriod.objects.filter(legal_entity_id=entity_id, end__gt=day, state__in=OPEN)
        .order_by("start")
        .first()
    )


def reporting_currency() -> str:
    """The group's reporting currency (ISO 4217)."""
    group = Group.objects.first()
    return group.reporting_currency_id if group else "USD"


@dataclass(frozen=True, slots=True)
class Converted:
    """A sum in the reporting currency, and the oldest rate date it rests on (None: no rate)."""

    amount: Decimal
    currency: str
    rate_date: dt.date | None
    missing: tuple[str, ...] = ()


def convert_sums(sums: Iterable[tuple[str, Decimal]], day: dt.date) -> Converted:
    """Convert sums per currency at the latest rates on or before ``day``.

    A currency without a rate is named in ``missing`` and not in the amount.
    """
    target = reporting_currency()
    rates = {
        base: (rate, rate_date)
        for base, rate, rate_date in ExchangeRate.objects.filter(
            quote_id=target, rate_date__lte=day
        )
        .order_by("base", "-rate_date")
        .distinct("base")
        .values_list("base_id", "rate", "rate_date")
    }
    total, dates, missing = Decimal(0), [], []
    for currency, amount in sums:
        if currency == target:
            total += amount
        elif currency in rates:
            rate, rate_date = rates[currency]
            total += quantise(amount * rate, target)
            dates.append(rate_date)
        else:
            missing.append(currency)
    return Converted(total, target, min(dates, default=None), tuple(missing))
