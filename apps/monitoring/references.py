"""Every id by which a journey may be looked up. Pure: no query."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from apps.connectors.models import Connection
from apps.monitoring.gather import JourneyFacts
from apps.monitoring.models import ReferenceIndex

LONGEST = 160
_ID_ENDINGS = ("id", "ids", "number", "reference", "tranid")


def project_references(
    facts: JourneyFacts, connections: Mapping[uuid.UUID, Connection], entity_id: uuid.UUID | None
) -> list[ReferenceIndex]:
    """One row for each kind and value of an id; values are lower-cased, for finding."""
    rows: dict[tuple[str, str, uuid.UUID], ReferenceIndex] = {}
    for kind, value, object_type, object_id, label in _entries(facts, connections):
        text = str(value).strip()[:LONGEST]
        if text:
            rows[kind, text.lower(), object_id] = ReferenceIndex(
                kind=kind[:40], value=text.lower(), object_type=object_type, object_id=object_id,
                journey_id=facts.id, legal_entity_id=entity_id, label=(label or text)[:200],
            )  # fmt: skip
    return list(rows.values())


Entry = tuple[str, str, str, uuid.UUID, str]


def _entries(facts: JourneyFacts, connections: Mapping[uuid.UUID, Connection]) -> Iterator[Entry]:
    yield from _records(facts)
    yield from _customers(facts)
    for found in facts.references:
        connection = connections.get(found.connection_id)
        kind = f"{connection.code if connection else 'external'}.{found.object_type}"
        label = (
            f"{found.external_id} ({found.object_type} in {connection.name})" if connection else ""
        )
        # A customer's id leads to each of its journeys, so the journey stands for it.
        owner = facts.id if found.record_type == "customer" else found.record_id
        yield kind, found.external_id, found.record_type, owner, label
    for posting in facts.postings:
        yield "reference", posting.reference, "posting", posting.id, posting.document_label
        yield posting.operation, posting.external_id, "posting", posting.id, posting.document_label
        for value in _ids_in(posting.result):
            yield posting.operation, value, "posting", posting.id, posting.document_label
    for case in facts.cases:
        yield "case", case.reference, "case", case.id, f"{case.reference} {case.title}"


def _records(facts: JourneyFacts) -> Iterator[Entry]:
    groups: tuple[tuple[str, list[Any]], ...] = (
        ("quote", facts.quotes), ("order", facts.orders), ("contract", facts.contracts),
        ("subscription", facts.subscriptions), ("amendment", facts.amendments),
        ("invoice", facts.invoices),
    )  # fmt: skip
    for kind, records in groups:
        for record in records:
            yield kind, record.number, kind, record.id, f"{kind.capitalize()} {record.number}"


def _customers(facts: JourneyFacts) -> Iterator[Entry]:
    customers = {quote.customer_id: quote.customer for quote in facts.quotes}
    customers |= {order.customer_id: order.customer for order in facts.orders}
    for customer in customers.values():
        yield "customer", customer.number, "customer", facts.id, customer.name
        yield "customer_name", customer.name, "customer", facts.id, customer.name


def _ids_in(value: Any, key: str = "") -> Iterator[str]:
    """Texts under keys that name an id, at any depth of a vendor's answer."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _ids_in(part, str(name))
    elif isinstance(value, list):
        for part in value:
            yield from _ids_in(part, key)
    elif isinstance(value, str) and key.lower().endswith(_ID_ENDINGS) and len(value) <= 80:
        yield value
