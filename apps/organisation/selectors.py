"""Reads of the group: periods, rates, entities."""

import datetime as dt
import uuid

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.organisation.models import Group, LegalEntity, PostingPeriod

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
