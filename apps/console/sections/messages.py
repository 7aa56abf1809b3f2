"""Messages: what came in, what was refused at the door, and every call in either direction."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.urls import reverse

from apps.connectors.models import Connection, Exchange
from apps.connectors.selectors import list_exchanges
from apps.console.listing import Ticks, ViewTab
from apps.console.presentation.words import in_words
from apps.console.requests import ConsoleRequest
from apps.console.sections.redacted import body_text, header_lines
from apps.console.sections.subjects import FieldLine, field_lines
from apps.core.principal import Principal
from apps.ingestion.models import InboundEvent, Quarantine
from apps.ingestion.selectors import list_inbound, list_quarantine
from apps.monitoring.selectors import find_by_reference

VIEWS = (("in", "Received"), ("refused", "Refused at the door"), ("calls", "Calls"))
INBOUND_STATES = ("received", "waiting", "processing", "processed", "ignored", "dead")
OUTCOMES = ("ok", "rejected", "transient", "unknown", "failed")


def every_connection() -> list[tuple[str, str]]:
    """Connections that a filter takes; the rows are narrowed to what a person may see anyway."""
    return [(str(key), name) for key, name in Connection.objects.values_list("id", "name")]


def of_journeys(text: str, principal: Principal) -> Q:
    """Rows of the journeys that an id of any system names: messages carry the platform's own ids,
    and people search for the number that is printed on the document."""
    found = find_by_reference(text, principal)
    return Q(journey_id__in={each.journey_id for each in found if each.exact})


class InboundFilter(django_filters.FilterSet):
    """Filters of what came in."""

    q = django_filters.CharFilter(method="search")
    state = Ticks("state", [(s, s) for s in INBOUND_STATES])
    connection = Ticks("connection_id", every_connection)

    class Meta:
        model = InboundEvent
        fields: list[str] = []

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(
            Q(object_id__icontains=value)
            | Q(event_type__icontains=".".join(value.split()))
            | Q(delivery__message_id=value)
            | of_journeys(value, self.request.principal)
        )


class QuarantineFilter(django_filters.FilterSet):
    """Filters of what was refused."""

    q = django_filters.CharFilter(method="search")
    connection = Ticks("connection_id", every_connection)

    class Meta:
        model = Quarantine
        fields: list[str] = []

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(message_id__icontains=value) | Q(reason__icontains=value))


class ExchangeFilter(django_filters.FilterSet):
    """Filters of the call log."""

    q = django_filters.CharFilter(method="search")
    connection = Ticks("connection_id", every_connection)
    outcome = Ticks("outcome", [(o, o) for o in OUTCOMES])

    class Meta:
        model = Exchange
        fields: list[str] = []

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        found = (
            Q(path__icontains=value)
            | Q(operation__icontains=value)
            | Q(vendor_request_id=value)
            | of_journeys(value, self.request.principal)
        )
        with suppress(ValueError):  # the boxes of an order's page name the posting
            found |= Q(subject_id=uuid.UUID(value))
        return rows.filter(found)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message or a call in a list."""

    title: str
    note: str
    connection: str
    state: str
    detail: str
    at: dt.datetime
    url: str


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """One message or call with its body, redacted."""

    title: str
    state: str
    verdict: str
    verdict_note: str
    facts: list[tuple[str, str]]
    fields: list[FieldLine]
    bodies: list[tuple[str, list[tuple[str, str]], str]]
    journey_url: str = ""


def connection_names(principal: Principal) -> dict[uuid.UUID, str]:
    """Names of the connections a principal may see, by id."""
    rows = Connection.objects.visible_to(principal).order_by("name")
    return dict(rows.values_list("id", "name"))


def message_tabs(view: str) -> list[ViewTab]:
    base = reverse("messages")
    return [ViewTab(key, label, f"{base}?view={key}", key == view) for key, label in VIEWS]


def message_list(view: str, request: ConsoleRequest) -> Any:
    """The rows of a view with its filters."""
    query, principal = request.GET, request.principal
    if view == "refused":
        return QuarantineFilter(query, queryset=list_quarantine(principal)).qs
    if view == "calls":
        return ExchangeFilter(query, list_exchanges(principal), request=request).qs
    return InboundFilter(query, list_inbound(principal), request=request).qs


def message_rows(view: str, items: Iterable[Any], names: dict[uuid.UUID, str]) -> list[MessageRow]:
    makers: dict[str, Callable[[Any, str], MessageRow]] = {
        "refused": _refused_row,
        "calls": _call_row,
    }
    make = makers.get(view, _inbound_row)
    return [make(item, names.get(item.connection_id, "")) for item in items]


def message_words(event_type: str) -> str:
    """``quote.notified`` → ``Quote notified``."""
    return in_words(event_type.replace(".", " "))


def _inbound_row(event: InboundEvent, connection: str) -> MessageRow:
    waits = f"waits for {event.waits_for}" if event.waits_for and event.state == "waiting" else ""
    return MessageRow(
        message_words(event.event_type),
        f"{event.object_type} {event.object_id}",
        connection,
        event.state,
        event.error_message or waits or outcome_words(event.outcome),
        event.received_at,
        reverse("message", args=["in", event.id]),
    )


_OUTCOMES = {
    "older": "Left alone: a newer version is there already",
    "unchanged": "Nothing differs from what is there",
    "created": "Became a new record",
    "changed": "Changed the record",
    "discarded": "Discarded by a person",
}


def outcome_words(outcome: str) -> str:
    """What became of a message, in words."""
    return _OUTCOMES.get(outcome, in_words(outcome))


def _refused_row(body: Quarantine, connection: str) -> MessageRow:
    return MessageRow(
        in_words(body.reason),
        body.message_id or f"{body.size:,} bytes",
        connection,
        "quarantined",
        body.explanation,
        body.received_at,
        reverse("message", args=["refused", body.id]),
    )


def _call_row(call: Exchange, connection: str) -> MessageRow:
    return MessageRow(
        f"{call.method} {call.path.partition('?')[0]}",
        call.operation,
        connection,
        call.outcome,
        f"{call.status or 'no answer'} in {call.duration_ms:,} ms",
        call.at,
        reverse("message", args=["calls", call.exchange_id]),
    )


def message_detail(view: str, item: Any, connection: str) -> MessageDetail:
    makers: dict[str, Callable[[Any, str], MessageDetail]] = {
        "refused": _refused_detail,
        "calls": _call_detail,
    }
    make = makers.get(view, _inbound_detail)
    return make(item, connection)


def _inbound_detail(event: InboundEvent, connection: str) -> MessageDetail:
    facts = [
        ("Connection", connection),
        ("Channel", event.delivery.channel),
        ("Message id", event.delivery.message_id),
        ("Object", f"{event.object_type} {event.object_id}"),
        ("Their version", str(event.source_version)),
        ("Ordering key", event.ordering_key),
        ("Tries", str(event.attempts)),
        ("SHA-256", event.delivery.sha256),
    ]
    document = event.edited_payload or event.payload
    edited = "A person edited the data; the original is kept." if event.edited_payload else ""
    return MessageDetail(
        message_words(event.event_type),
        event.state,
        f"{outcome_words(event.outcome) or event.state.capitalize()}.",
        event.error_message or (f"Waits for {event.waits_for}." if event.waits_for else edited),
        facts,
        field_lines(document) if document else [],
        [("As received", header_lines(event.delivery.headers), body_text(event.delivery.raw))],
        reverse("journey-by-id", args=[event.journey_id]) if event.journey_id else "",
    )


def _refused_detail(body: Quarantine, connection: str) -> MessageDetail:
    facts = [
        ("Connection", connection or "unknown"),
        ("Answered", str(body.status_code)),
        ("Message id", body.message_id or "none"),
        ("Size", f"{body.size:,} bytes"),
        ("SHA-256", body.sha256),
    ]
    bodies = [("What was sent, capped", header_lines(body.headers), body_text(body.raw))]
    title = in_words(body.reason)
    return MessageDetail(title, "quarantined", title, body.explanation, facts, [], bodies)


def _call_detail(call: Exchange, connection: str) -> MessageDetail:
    facts = [
        ("Connection", connection),
        ("Direction", "we called" if call.direction == "out" else "they called"),
        ("Operation", call.operation),
        ("Status", str(call.status or "no answer")),
        ("Took", f"{call.duration_ms:,} ms"),
        ("Their request id", call.vendor_request_id or "none"),
    ]
    bodies = [
        ("Request", header_lines(call.request_headers), body_text(call.request_body)),
        ("Answer", header_lines(call.response_headers), body_text(call.response_body)),
    ]
    note = call.error_code.replace("_", " ")
    journey = reverse("journey-by-id", args=[call.journey_id]) if call.journey_id else ""
    title = f"{call.method} {call.path}"
    return MessageDetail(
        title, call.outcome, call.outcome.capitalize(), note, facts, [], bodies, journey
    )
