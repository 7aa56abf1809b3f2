"""From the rows of one journey to its row, its items and its references. Pure: no query."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.canonical.models import Amendment, Invoice, Order, Quote
from apps.connectors.models import Connection
from apps.core.codec import to_json
from apps.monitoring.gather import JourneyFacts
from apps.monitoring.models import Journey, JourneyItem
from apps.monitoring.policies import expected_next
from apps.monitoring.progress import WRITTEN, generations_of
from apps.monitoring.types import Expected

MOVING = ("queued", "sending", "unknown", "posted")
NAMES = {
    "customer.upsert": "Customer", "subscription.create": "Subscription",
    "subscription.change": "Subscription change", "tax.quote": "Tax",
    "entitlement.provision": "Entitlement", "entitlement.change": "Entitlement change",
    "invoice.create": "Invoice", "journal.create": "Journal entry",
    "quote.write_back": "Quote write-back", "subscription.cancel": "Subscription end",
    "entitlement.revoke": "Entitlement end", "invoice.credit": "Credit memo",
}  # fmt: skip


def project_items(
    facts: JourneyFacts, connections: Mapping[uuid.UUID, Connection]
) -> list[JourneyItem]:
    """Documents and expected documents of a journey, one row each."""
    items = [_quote_item(facts, quote) for quote in facts.quotes]
    items += [_order_item(facts, order) for order in facts.orders]
    items += [_amendment_item(amendment) for amendment in facts.amendments]
    items += [_invoice_item(invoice) for invoice in facts.invoices]
    items += _posting_items(facts, connections)
    items += [_case_item(c) for c in facts.cases if c.subject_type != "postings.posting"]
    items += [_expected_item(e) for e in expected_next(generations_of(facts))]
    unique = {(item.kind, item.key): item for item in items}
    for item in unique.values():
        item.journey_id = facts.id
    return list(unique.values())


def _quote_item(facts: JourneyFacts, quote: Quote) -> JourneyItem:
    return JourneyItem(
        lane="cpq", generation=facts.generation_of("quote", quote.id), kind="quote",
        key=quote.number, title=quote.number, note=quote.status.lower() or quote.type,
        state="done", amount=quote.net, currency=quote.currency,
        at=quote.accepted_at or quote.approved_at or quote.created_at,
        subject_type="quote", subject_id=quote.id,
    )  # fmt: skip


def _order_item(facts: JourneyFacts, order: Order) -> JourneyItem:
    back = order.id in facts.taken_back
    note = "taken back" if back else "booked" if order.booked_at else "being activated"
    return JourneyItem(
        lane="cpq", generation=0, kind="order", key=order.number, title=order.number,
        note=note, state="done" if back or order.booked_at else "running", amount=order.net,
        currency=order.currency, at=order.booked_at or order.created_at,
        subject_type="order", subject_id=order.id,
    )  # fmt: skip


def _amendment_item(amendment: Amendment) -> JourneyItem:
    return JourneyItem(
        lane="cpq", generation=amendment.generation, kind="amendment", key=amendment.number,
        title=amendment.number, note="applied" if amendment.applied_at else "being applied",
        state="done" if amendment.applied_at else "running", amount=amendment.prorated_net,
        currency=amendment.currency, at=amendment.applied_at or amendment.created_at,
        subject_type="amendment", subject_id=amendment.id,
    )  # fmt: skip


def _invoice_item(invoice: Invoice) -> JourneyItem:
    return JourneyItem(
        lane="billing", generation=invoice.generation, kind="invoice", key=invoice.number,
        title=invoice.number, note=invoice.status.lower(), state="done", amount=invoice.gross,
        currency=invoice.currency, at=invoice.created_at, subject_type="invoice",
        subject_id=invoice.id,
    )  # fmt: skip


def _posting_items(
    facts: JourneyFacts, connections: Mapping[uuid.UUID, Connection]
) -> list[JourneyItem]:
    """The newest posting of each purpose; a write-back shows only when it failed."""
    newest = {(p.operation, p.connection_id, p.document_id, p.purpose): p for p in facts.postings}
    return [
        _posting_item(facts, posting, connections)
        for posting in newest.values()
        if posting.operation != "quote.write_back" or _state(posting.state) == "failed"
    ]


def _posting_item(
    facts: JourneyFacts, posting: Any, connections: Mapping[uuid.UUID, Connection]
) -> JourneyItem:
    connection = connections.get(posting.connection_id)
    state = _state(posting.state)
    name = NAMES.get(posting.operation, posting.operation)
    if posting.operation in ("entitlement.provision", "entitlement.change") and state == "done":
        answered = posting.document_id in facts.provisioned | facts.taken_back
        state = "done" if answered else "running"
    return JourneyItem(
        lane=connection.role if connection else "erp",
        generation=facts.generation_of(posting.document_type, posting.document_id),
        kind=posting.operation,
        key=f"{posting.document_id}:{posting.purpose}",
        title=(_number(posting) if state == "done" else name)[:120],
        note=_note(posting, name, state)[:200],
        state=state,
        amount=worth_of(posting),
        currency=posting.currency,
        at=posting.first_sent_at or posting.updated_at,
        subject_type="posting",
        subject_id=posting.id,
    )


def _state(state: str) -> str:
    if state in WRITTEN:
        return "done"
    return "running" if state in MOVING else "failed"


def _number(posting: Any) -> str:
    if posting.operation == "tax.quote":
        codes = {str(line.get("tax_code")) for line in posting.result.get("lines", [])}
        return ", ".join(sorted(codes)) or posting.document_label
    return str(posting.result.get("number") or posting.external_id or posting.document_label)


def worth_of(posting: Any) -> Decimal | None:
    """What a write is worth; of a tax calculation the tax, once it is known: its posting carries
    the net that it is asked for."""
    worth: Decimal | None = posting.amount
    if posting.operation == "tax.quote":
        tax = posting.result.get("tax")
        worth = None if tax is None else Decimal(str(tax))
    return worth


def _note(posting: Any, name: str, state: str) -> str:
    if state == "failed":
        tries = {0: "not sent", 1: "1 try"}.get(posting.attempts, f"{posting.attempts} tries")
        return f"{tries}: {posting.error_message or posting.state}"
    if state == "running":
        return f"{posting.document_label}, {posting.state}"
    if posting.operation == "tax.quote" and posting.result.get("tax") is not None:
        return f"tax {posting.result['tax']}"
    return f"{name} {posting.document_label}"


def _case_item(case: Any) -> JourneyItem:
    return JourneyItem(
        lane="cpq" if case.lane == "hub" else case.lane, generation=0, kind="case",
        key=case.reference,
        title=case.document or case.reference, note=case.title[:200], state="failed",
        amount=case.amount_at_risk, currency=case.currency, at=case.opened_at,
        subject_type="case", subject_id=case.id,
    )  # fmt: skip


def _expected_item(expected: Expected) -> JourneyItem:
    return JourneyItem(
        lane=expected.lane, generation=expected.generation, kind=expected.kind,
        key=expected.key, title=expected.title, note=expected.consequence, state="expected",
        amount=expected.amount, currency=expected.currency, due_at=expected.due_at,
    )  # fmt: skip


def project_journey(
    facts: JourneyFacts, items: Sequence[JourneyItem], now: dt.datetime
) -> Journey:
    """The journey's own row: what it is worth, how far it came, what is next."""
    head = _head(facts)
    expected = sorted((i for i in items if i.state == "expected"), key=_due)
    next_item = expected[0] if expected else None
    case = facts.cases[0] if facts.cases else None
    moments = [i.at for i in items if i.at]
    return Journey(
        id=facts.id,
        **head,
        milestones=to_json(_milestones(facts, items)),
        next_step=next_item.title if next_item else "",
        next_due_at=next_item.due_at if next_item else None,
        is_done=bool(facts.orders)
        and not expected
        and not facts.cases
        and not any(i.state in ("running", "failed") for i in items),
        is_stuck=case is not None,
        stuck_lane=case.lane if case else "",
        opened_at=min(moments, default=now),
        changed_at=now,
    )


def _due(item: JourneyItem) -> dt.datetime:
    assert item.due_at is not None  # noqa: S101 - every expected item has a deadline
    return item.due_at


def _head(facts: JourneyFacts) -> dict[str, Any]:
    """Key, customer, entity, money and term, from the best record there is."""
    contract = facts.contracts[0] if facts.contracts else None
    order = facts.orders[0] if facts.orders else None
    record: Any = order or (facts.quotes[0] if facts.quotes else None)
    if record is None and facts.invoices:
        record = facts.invoices[0]
        return _plain_head(record.number, record, record.net)
    if record is None:
        case = facts.cases[0]
        return {
            "key": (case.document or case.reference)[:60],
            "legal_entity_id": case.legal_entity_id,
            "customer": case.customer,
            "currency": case.currency,
            "amount": case.amount_at_risk or 0,
        }
    return {
        "key": record.number,
        "legal_entity_id": record.legal_entity_id,
        "customer": record.customer.name,
        "currency": record.currency,
        "amount": contract.net if contract else record.net,
        "start_date": record.start_date,
        "end_date": record.end_date,
    }


def _plain_head(key: str, record: Any, amount: Any) -> dict[str, Any]:
    return {
        "key": key,
        "legal_entity_id": record.legal_entity_id,
        "customer": record.customer.name,
        "currency": record.currency,
        "amount": amount,
    }


def _milestones(facts: JourneyFacts, items: Sequence[JourneyItem]) -> dict[str, Any]:
    """When the original order reached each milestone; what it has not reached is absent."""
    first: dict[str, dt.datetime] = {}
    named = {
        "quote": "accepted", "subscription.create": "subscribed", "invoice": "invoiced",
        "invoice.create": "in_ledger", "entitlement.provision": "provisioned",
    }  # fmt: skip
    for item in items:
        name = named.get(item.kind)
        if name and item.state == "done" and item.at and item.generation == 0:
            first[name] = min(first.get(name, item.at), item.at)
    if facts.orders and facts.orders[0].booked_at:
        first["booked"] = facts.orders[0].booked_at
    return first
