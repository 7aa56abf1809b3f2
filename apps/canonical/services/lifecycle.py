"""What workflow runs change: orders are booked, amendments applied, revenue scheduled."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.canonical.models import (
    Amendment,
    Contract,
    Invoice,
    InvoiceLine,
    Order,
    RevenueSchedule,
    RevenueScheduleLine,
    Subscription,
)
from apps.canonical.policies import RevenuePart, merge_parts, straight_line
from apps.canonical.types import Span
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent

Outputs = list[Mapping[str, Any]]


def book_orders(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> Outputs:
    """Book orders whose gates have passed; an order that is booked stays as it is."""
    orders = {
        o.id: o
        for o in Order.objects.select_for_update(of=("self",))
        .select_related("contract")
        .filter(id__in=ids)
    }
    fresh = [o for o in orders.values() if o.booked_at is None]
    for order in fresh:
        order.booked_at, order.status = now, "booked"
        order.version += 1
    Order.objects.bulk_update(fresh, ["booked_at", "status", "version"])
    publish_events([_booked(order) for order in fresh], actor=actor, now=now)
    return [{"order": orders[i].number, "booked_at": orders[i].booked_at} for i in ids]


def _booked(order: Order) -> NewEvent:
    return NewEvent(
        type="order.booked",
        aggregate_type="order",
        aggregate_id=order.id,
        aggregate_version=order.version,
        legal_entity_id=order.legal_entity_id,
        journey_id=order.journey_id,
        data={
            "signal": f"order_booked:{order.contract_id}",
            "number": order.number,
            "contract_number": order.contract.number,
            "amount": order.net,
            "currency": order.currency,
        },
    )


def apply_amendments(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> Outputs:
    """Bring contracts and subscriptions to the state after their amendments."""
    amendments = {
        a.id: a
        for a in Amendment.objects.select_for_update(of=("self",))
        .select_related("contract", "quote")
        .prefetch_related("quote__lines__product")
        .filter(id__in=ids)
    }
    fresh = [a for a in amendments.values() if a.applied_at is None]
    subscriptions = _subscriptions(fresh)
    for amendment in fresh:
        amendment.applied_at, amendment.status = now, "applied"
        amendment.contract.net += amendment.net_per_term
        amendment.contract.version += 1
        for line in amendment.quote.lines.all():
            found = subscriptions.get((amendment.contract_id, line.product_id))
            if found is not None:
                found.quantity, found.version = line.quantity, found.version + 1
    Amendment.objects.bulk_update(fresh, ["applied_at", "status"])
    Contract.objects.bulk_update([a.contract for a in fresh], ["net", "version"])
    Subscription.objects.bulk_update(subscriptions.values(), ["quantity", "version"])
    publish_events([_applied(a) for a in fresh], actor=actor, now=now)
    return [{"amendment": amendments[i].number} for i in ids]


def _subscriptions(amendments: Sequence[Amendment]) -> dict[tuple[Any, Any], Subscription]:
    rows = Subscription.objects.select_for_update().filter(
        contract_id__in=[a.contract_id for a in amendments]
    )
    return {(s.contract_id, s.product_id): s for s in rows}


def _applied(amendment: Amendment) -> NewEvent:
    return NewEvent(
        type="amendment.applied",
        aggregate_type="amendment",
        aggregate_id=amendment.id,
        aggregate_version=amendment.version,
        legal_entity_id=amendment.legal_entity_id,
        journey_id=amendment.journey_id,
        data={
            "signal": f"amendment_over:{amendment.id}",
            "number": amendment.number,
            "contract_number": amendment.contract.number,
            "amount": amendment.prorated_net,
            "currency": amendment.currency,
            "generation": amendment.generation,
        },
    )


def build_revenue_schedules(
    ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime
) -> Outputs:
    """A schedule for each invoice, straight-line by day; one that exists stays as it is."""
    invoices = {
        i.id: i for i in Invoice.objects.prefetch_related("lines", "schedule").filter(id__in=ids)
    }
    known = {
        s.invoice_id: s
        for s in RevenueSchedule.objects.prefetch_related("lines").filter(invoice_id__in=ids)
    }
    fresh = [i for i in invoices.values() if i.id not in known]
    made = {i.id: _schedule(i) for i in fresh}
    RevenueSchedule.objects.bulk_create(made.values())
    parts = {i.id: merge_parts(_parts(i)) for i in fresh}
    RevenueScheduleLine.objects.bulk_create(
        [_line(made[i.id], n, part) for i in fresh for n, part in enumerate(parts[i.id])]
    )
    publish_events([_scheduled(made[i.id]) for i in fresh], actor=actor, now=now)
    return [{"schedule": (known.get(i) or made[i]).number} for i in ids]


def _schedule(invoice: Invoice) -> RevenueSchedule:
    return RevenueSchedule(
        number=f"RS-{invoice.number}",
        invoice=invoice,
        legal_entity_id=invoice.legal_entity_id,
        journey_id=invoice.journey_id,
        currency=invoice.currency,
        total=invoice.net,
    )


def _parts(invoice: Invoice) -> list[RevenuePart]:
    parts: list[RevenuePart] = []
    for line in invoice.lines.all():
        parts += straight_line(line.net, _span(invoice, line), invoice.currency)
    return parts


def _span(invoice: Invoice, line: InvoiceLine) -> Span:
    start = line.service_start or invoice.invoice_date
    return Span(start, max(line.service_end or start, start))


def _line(schedule: RevenueSchedule, position: int, part: RevenuePart) -> RevenueScheduleLine:
    return RevenueScheduleLine(
        schedule=schedule,
        position=position,
        period_code=part.period_code,
        start_date=part.start,
        end_date=part.end,
        amount=part.amount,
    )


def _scheduled(schedule: RevenueSchedule) -> NewEvent:
    return NewEvent(
        type="revenue_schedule.created",
        aggregate_type="revenue_schedule",
        aggregate_id=schedule.id,
        legal_entity_id=schedule.legal_entity_id,
        journey_id=schedule.journey_id,
        data={"number": schedule.number, "amount": schedule.total, "currency": schedule.currency},
    )
