"""Postings and inbound events that cannot go on, for tests of remedies."""

import datetime as dt
import uuid
from decimal import Decimal

from apps.canonical.models import Customer
from apps.connectors.models import Connection
from apps.core.ids import vendor_reference
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.exceptions.services import open_cases
from apps.ingestion.models import Delivery, InboundEvent
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec, RowDraft
from apps.postings.models import Posting
from tests.builders.cases import case_draft

TESTS = system_actor("tests")


def make_connection(code="netsuite", role="erp", vendor="netsuite"):
    with acting(TESTS):
        return Connection.objects.create(code=code, name=code.title(), vendor=vendor, role=role)


def make_customer(entity, **values):
    return Customer.objects.create(
        legal_entity=entity, number=f"C-{uuid.uuid4().hex[:6]}", name="Acme", currency="EUR",
        country="DE", **values,
    )  # fmt: skip


def make_posting(connection, entity, *moves, **values):
    """A posting that went through the named transitions."""
    key = uuid.uuid4().hex
    defaults = {
        "operation": "invoice.create", "purpose": "invoice_in_erp", "document_type": "invoice",
        "document_id": uuid.uuid4(), "document_label": "INV-1", "ordering_key": f"contract:{key}",
        "payload": {"posting_date": "2026-10-15", "customer": {}}, "amount": Decimal("1200.00"),
        "currency": "EUR", "due_at": dt.datetime(2026, 11, 23, 11, tzinfo=dt.UTC),
    }  # fmt: skip
    with acting(TESTS):
        posting = Posting.objects.create(
            key=key, reference=vendor_reference(key), connection_id=connection.id,
            legal_entity=entity, **{**defaults, **values},
        )  # fmt: skip
        move_posting(posting.id, *moves)
    return Posting.objects.get(id=posting.id)


def move_posting(posting_id, *moves, **values):
    """Take a posting through transitions, as the lane would."""
    from apps.core.fsm import transition_set

    with acting(TESTS):
        for move in moves:
            assert transition_set(Posting, move, [posting_id], **values)


def make_event(connection, entity, *, payload, state="dead", version=1, object_id="a0Q1"):
    delivery = Delivery.objects.create(
        connection_id=connection.id, channel="webhook", message_id=uuid.uuid4().hex, raw=b"{}",
        sha256="0" * 64, received_at=dt.datetime(2026, 11, 23, 11, tzinfo=dt.UTC),
    )  # fmt: skip
    with acting(TESTS):
        return InboundEvent.objects.create(
            delivery=delivery, ordinal=0, connection_id=connection.id, legal_entity=entity,
            event_type="quote.accepted", object_type="quote", object_id=object_id,
            source_version=version, ordering_key=f"{connection.id}:quote:{object_id}",
            payload=payload, state=state, received_at=delivery.received_at,
            due_at=delivery.received_at,
        )  # fmt: skip


def open_case(entity, subject_type, subject_id, now, **changes):
    draft = case_draft(entity, subject_type=subject_type, subject_id=subject_id, **changes)
    return open_cases([draft], actor=TESTS, now=now)[0]


def make_value_map(code, rows, now):
    spec = MappingSpec(
        code=code, name=code, kind="value", source="hub", target="vendor", rules={},
        rows=tuple(RowDraft(source, target) for source, target in rows.items()),
    )  # fmt: skip
    return ensure_mappings([spec], actor=TESTS, now=now)
