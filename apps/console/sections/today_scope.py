"""What Today looks at: one legal entity or all of them, and the currency of its totals."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from apps.console.requests import ConsoleRequest
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.reporting import ReportingRates
from apps.organisation.models import LegalEntity
from apps.organisation.selectors import list_entities


@dataclass(frozen=True, slots=True)
class Scope:
    """The legal entities a person may see, the chosen one if any, and the rates of the totals."""

    entities: tuple[LegalEntity, ...]
    entity: LegalEntity | None
    rates: ReportingRates

    @property
    def entity_ids(self) -> tuple[Any, ...]:
        """For filters that take several; empty does not narrow."""
        return (self.entity.pk,) if self.entity else ()

    def url(self, *, entity: str | None = None, currency: str | None = None) -> str:
        """The address of Today with another entity or currency."""
        code = self.entity.code if self.entity else ""
        parts = {
            "entity": code if entity is None else entity,
            "currency": self.rates.currency if currency is None else currency,
        }
        query = urlencode({key: value for key, value in parts.items() if value})
        return f"{reverse('today')}?{query}" if query else reverse("today")

    def list_url(self, page: str, **parameters: str) -> str:
        """A list narrowed to the same legal entity."""
        if self.entity:
            parameters["entity"] = str(self.entity.pk)
        return f"{reverse(page)}?{urlencode(parameters)}"

    def of_entity(self, rows: ScopedQuerySet) -> ScopedQuerySet:
        """Rows of the legal entity and of the group as a whole."""
        if self.entity is None:
            return rows
        return rows.filter(Q(legal_entity_id=self.entity.pk) | Q(legal_entity_id__isnull=True))


def scope_of(request: ConsoleRequest, today: dt.date) -> Scope:
    """The scope an address names; an entity or a currency that nobody offers is left out."""
    entities = tuple(list_entities(request.principal))
    entity = next((e for e in entities if e.code == request.GET.get("entity")), None)
    rates = ReportingRates(today)
    asked = request.GET.get("currency", "")
    if asked in _offered(entities, rates) and asked != rates.currency:
        rates = ReportingRates(today, asked)
    return Scope(entities, entity, rates)


def _offered(entities: Sequence[LegalEntity], rates: ReportingRates) -> list[str]:
    own = {entity.functional_currency_id for entity in entities}
    return sorted((own | {rates.currency}) & set(rates.rates))


def entity_links(scope: Scope) -> list[tuple[str, str, bool]]:
    """Address, name and whether it is chosen; empty for a person with one legal entity."""
    if len(scope.entities) < 2:
        return []
    links = [(scope.url(entity=""), "All entities", scope.entity is None)]
    return links + [
        (scope.url(entity=e.code), f"{e.code} · {e.name}", e == scope.entity)
        for e in scope.entities
    ]


def currency_links(scope: Scope, basis: str) -> list[tuple[str, str, bool]]:
    """The currencies of totals; the chosen one says of when its rates are."""
    return [
        (scope.url(currency=code), basis if code == scope.rates.currency else code,
         code == scope.rates.currency)
        for code in _offered(scope.entities, scope.rates)
    ]  # fmt: skip
