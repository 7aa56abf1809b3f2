"""How far each generation of a journey has come. Pure: no query."""

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

from apps.canonical.models import Amendment, Order
from apps.monitoring.gather import JourneyFacts
from apps.monitoring.types import GenerationFacts, InvoiceFacts

WRITTEN = ("confirmed",)  # read back, and it says what was meant


def generations_of(facts: JourneyFacts) -> list[GenerationFacts]:
    """How far the original order and each amendment have come."""
    ledger = in_ledger(facts)
    sold = [order for order in facts.orders[:1] if order.id not in facts.taken_back]
    found = [_original(facts, order, ledger) for order in sold]
    return found + [_amendment(facts, amendment, ledger) for amendment in facts.amendments]


def in_ledger(facts: JourneyFacts) -> set[uuid.UUID]:
    """Invoices whose copy in the ERP was read back and says what was meant."""
    return _posted(facts, "invoice.create")


def _posted(facts: JourneyFacts, operation: str, kind: str = "") -> set[uuid.UUID]:
    return {
        p.document_id
        for p in facts.postings
        if p.operation == operation
        and p.state in WRITTEN
        and (not kind or p.document_type == kind)
    }


def _original(facts: JourneyFacts, order: Order, ledger: set[uuid.UUID]) -> GenerationFacts:
    quote = next((q for q in facts.quotes if q.id == order.quote_id), None)
    return GenerationFacts(
        generation=0,
        label=order.number,
        currency=order.currency,
        accepted_at=(quote.accepted_at if quote else None) or order.created_at,
        bills_from=_midnight(order.start_date, facts),
        subscribed=order.id in _posted(facts, "subscription.create"),
        provisioned=order.id in facts.provisioned,
        settled=order.booked_at is not None,
        expects_invoice=order.net != 0,
        invoices=_invoices(facts, 0, ledger),
    )


def _amendment(
    facts: JourneyFacts, amendment: Amendment, ledger: set[uuid.UUID]
) -> GenerationFacts:
    return GenerationFacts(
        generation=amendment.generation,
        label=amendment.number,
        currency=amendment.currency,
        accepted_at=amendment.created_at,
        bills_from=_midnight(amendment.effective_date, facts),
        subscribed=amendment.id in _posted(facts, "subscription.change"),
        provisioned=amendment.id in facts.provisioned,
        settled=amendment.applied_at is not None,
        modified=amendment.id in _posted(facts, "journal.create", "amendment"),
        expects_invoice=amendment.prorated_net > 0,
        expected_net=amendment.prorated_net,
        invoices=_invoices(facts, amendment.generation, ledger),
    )


def _invoices(
    facts: JourneyFacts, generation: int, ledger: set[uuid.UUID]
) -> tuple[InvoiceFacts, ...]:
    return tuple(
        InvoiceFacts(i.number, i.created_at, i.id in ledger, i.gross)
        for i in facts.invoices
        if i.generation == generation
    )


def _midnight(day: dt.date, facts: JourneyFacts) -> dt.datetime:
    """The start of a business date where the selling entity is."""
    entity = facts.contracts[0].legal_entity if facts.contracts else None
    zone = ZoneInfo(entity.time_zone) if entity else dt.UTC
    return dt.datetime.combine(day, dt.time.min, zone)
