"""The audit log: who did what to which record, and every state change behind it."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from apps.console.sections.event_words import (
    Platforms,
    actor_words,
    business_key,
    event_note,
    events_saying,
    record_words,
    what_happened,
)
from apps.console.sections.subjects import flatten
from apps.events.models import Event, Seal, Transition
from apps.monitoring.selectors import find_by_reference

KINDS = (
    ("user", "People"),
    ("client", "Programs"),
    ("connection", "Platforms"),
    ("system", "The hub"),
)
SUBJECTS = (
    "exception", "posting", "run", "step", "approval", "mapping_version", "connection", "inbound",
    "order", "invoice", "amendment", "customer", "quote", "batch",
)  # fmt: skip


class EventFilter(django_filters.FilterSet):
    """Filters of the log."""

    q = django_filters.CharFilter(method="search")
    actor = django_filters.MultipleChoiceFilter(field_name="actor_kind", choices=KINDS)
    about = django_filters.MultipleChoiceFilter(
        method="concerning", choices=[(s, s) for s in SUBJECTS]
    )

    class Meta:
        model = Event
        fields: list[str] = []

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """What happened, in words or by its code; who did it; any id of what it happened to."""
        found = events_saying(value, Platforms()) | Q(actor_label__icontains=value)
        try:
            key = uuid.UUID(value)
        except ValueError:
            references = find_by_reference(value, self.request.principal)
            journeys = {r.journey_id for r in references if r.exact}
            return rows.filter(found | Q(journey_id__in=journeys))
        return rows.filter(found | Q(aggregate_id=key) | Q(journey_id=key))

    def concerning(self, rows: QuerySet[Any], name: str, value: list[str]) -> QuerySet[Any]:
        wanted = Q(pk__in=[])
        for prefix in value:
            wanted |= Q(type__startswith=f"{prefix}.")
        return rows.filter(wanted)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in the log."""

    id: int
    what: str
    about: str
    key: str
    note: str
    actor: str
    actor_kind: str
    at: dt.datetime


def event_rows(events: Iterable[Event]) -> list[EventRow]:
    """Events in plain words with the business key of each; the platforms are read once."""
    platforms = Platforms()
    return [
        EventRow(
            event.id,
            what_happened(event, platforms),
            record_words(event),
            business_key(event, platforms),
            event_note(event),
            actor_words(event),
            event.actor_kind,
            event.occurred_at,
        )
        for event in events
    ]


_TELLING = (
    "number", "label", "document", "code", "title", "step", "operation", "event_type",
    "object_type", "object_id", "key", "outcome", "reason", "note",
)  # fmt: skip


def event_summary(event: Event) -> str:
    """The telling parts of an event's data in one line."""
    parts = [str(event.data[key]) for key in _TELLING if event.data.get(key)]
    return " · ".join(parts)[:160]


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event with its place in the chain and the state changes of its record."""

    event: Event
    what: str
    key: str
    lines: list[tuple[str, str]]
    seal: Seal | None
    transitions: Sequence[Transition]


def event_detail(event: Event) -> EventDetail:
    platforms = Platforms()
    return EventDetail(
        event,
        what_happened(event, platforms),
        business_key(event, platforms),
        list(flatten(event.data).items()),
        Seal.objects.filter(event_id=event.id).first(),
        list(Transition.objects.filter(row_id=str(event.aggregate_id)).order_by("-id")[:50]),
    )
