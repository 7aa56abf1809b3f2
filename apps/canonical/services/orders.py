"""Orders, contracts, subscriptions and amendments that accepted quotes make."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.canonical.models import (
    Amendment,
    Contract,
    Order,
    OrderLine,
    Quote,
    QuoteLine,
    Subscription,
)
from apps.canonical.policies import Debit, billing_period, prorate
from apps.canonical.types import Span
from apps.core.money import quantise
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent

Accepted = tuple[Quote, Mapping[str, Any]]


def make_orders(accepted: Sequence[Accepted], actor: Actor, now: dt.datetime) -> None:
    """An order, its contract and subscriptions for each quote that has none yet."""
    known = set(
        Order.objects.filter(quote__in=[q for q, _ in accepted]).values_list("quote_id", flat=True)
    )
    fresh = [(q, c) for q, c in accepted if q.id not in known and c.get("contract_number")]
    if not fresh:
        return
    lines = _lines_of([q for q, _ in fresh])
    contracts = {q.id: _contract(q, c) for q, c in fresh}
    orders = [_order(q, c, contracts[q.id]) for q, c in fresh]
    Contract.objects.bulk_create(contracts.values())
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(
        [_order_line(o, line) for o in orders for line in lines[o.quote_id]]
    )
    Subscription.objects.bulk_create(
        [
            _subscription(contracts[q.id], line)
            for q, _ in fresh
            for line in lines[q.id]
            if line.charge_type == "recurring"
        ]
    )
    publish_events([_order_event(o) for o in orders], actor=actor, now=now)


def _lines_of(quotes: Iterable[Quote]) -> dict[Any, list[QuoteLine]]:
    found: dict[Any, list[QuoteLine]] = {quote.id: [] for quote in quotes}
    rows = QuoteLine.objects.filter(quote_id__in=list(found)).select_related("product")
    for line in rows.order_by("position"):
        found[line.quote_id].append(line)
    return found


def _contract(quote: Quote, content: Mapping[str, Any]) -> Contract:
    return Contract(
        number=str(content["contract_number"]),
        customer=quote.customer,
        legal_entity=quote.legal_entity,
        journey_id=quote.journey_id,
        currency=quote.currency,
        start_date=quote.start_date,
        end_date=quote.end_date,
        net=quote.net,
        status="activated",
        source_system=quote.source_system,
        source_version=quote.source_version,
    )


def _order(quote: Quote, content: Mapping[str, Any], contract: Contract) -> Order:
    return Order(
        number=str(content.get("order_number") or f"ORD-{contract.number}"),
        quote=quote,
        customer=quote.customer,
        contract=contract,
        legal_entity=quote.legal_entity,
        journey_id=quote.journey_id,
        currency=quote.currency,
        net=quote.net,
        start_date=quote.start_date,
        end_date=quote.end_date,
        department=quote.department,
        status="accepted",
        source_system=quote.source_system,
        source_version=quote.source_version,
    )


COPIED = (
    "position", "product", "parent_position", "description", "charge_type", "frequency",
    "quantity", "prior_quantity", "list_price", "unit_price", "net", "external_key",
)  # fmt: skip


def _order_line(order: Order, line: QuoteLine) -> OrderLine:
    return OrderLine(order=order, **{name: getattr(line, name) for name in COPIED})


def _subscription(contract: Contract, line: QuoteLine) -> Subscription:
    return Subscription(
        number=f"{contract.number}-{line.position + 1}",
        contract=contract,
        product=line.product,
        legal_entity=contract.legal_entity,
        journey_id=contract.journey_id,
        line_key=line.external_key,
        frequency=line.frequency,
        currency=contract.currency,
        quantity=line.quantity,
        unit_price=line.unit_price,
        start_date=contract.start_date,
        end_date=contract.end_date,
    )


def _order_event(order: Order) -> NewEvent:
    contract = order.contract
    return NewEvent(
        type="order.created",
        aggregate_type="order",
        aggregate_id=order.id,
        aggregate_version=order.version,
        legal_entity_id=order.legal_entity_id,
        journey_id=order.journey_id,
        data={
            "number": order.number,
            "contract_id": contract.id,
            "contract_number": contract.number,
            "quote_number": order.quote.number,
            "customer": order.customer.name,
            "customer_number": order.customer.number,
            "amount": order.net,
            "currency": order.currency,
            "start_date": order.start_date,
            "end_date": order.end_date,
            "generation": 0,
            "wakes": [
                f"contract:{contract.number}",
                f"contract:{order.quote.contract_reference}",
            ],
        },
    )


Amended = tuple[Quote, Contract]


def make_amendments(accepted: Sequence[Amended], actor: Actor, now: dt.datetime) -> None:
    """An amendment for each accepted amendment quote that has none yet, prorated by us."""
    known = set(
        Amendment.objects.filter(quote__in=[q for q, _ in accepted]).values_list(
            "quote_id", flat=True
        )
    )
    fresh = [(q, c) for q, c in accepted if q.id not in known]
    if not fresh:
        return
    lines = _lines_of([q for q, _ in fresh])
    debits = _debits([c for _, c in fresh])
    made = []
    for quote, contract in fresh:
        contract.generation += 1
        made.append(_amendment(quote, contract, lines[quote.id], debits[contract.id]))
    Amendment.objects.bulk_create(made)
    Contract.objects.bulk_update([c for _, c in fresh], ["generation"])
    publish_events([_amendment_event(a) for a in made], actor=actor, now=now)


Debits = dict[str, Debit]


def _debits(contracts: Sequence[Contract]) -> dict[Any, Debits]:
    """What the last change of each line was charged, by contract and line."""
    found: dict[Any, Debits] = {contract.id: {} for contract in contracts}
    for amendment in Amendment.objects.filter(contract__in=contracts).order_by("generation"):
        for key, debit in amendment.proration.get("debits", {}).items():
            start, end = (dt.date.fromisoformat(debit[name]) for name in ("start", "end"))
            found[amendment.contract_id][key] = Debit(Decimal(debit["amount"]), Span(start, end))
    return found


def _usable(debit: Debit | None, period: Span, effective: dt.date) -> Debit | None:
    """An earlier change's debit, when it is of this billing period and not after this change."""
    if debit is None or debit.span.end != period.end or debit.span.start > effective:
        return None
    return debit


def _amendment(
    quote: Quote, contract: Contract, lines: Sequence[QuoteLine], debits: Debits
) -> Amendment:
    net, per_term, words = Decimal(0), Decimal(0), []
    charged: dict[str, Any] = {}
    for line in lines:
        if line.charge_type != "recurring":
            net, per_term = net + line.net, per_term + line.net
            continue
        period = billing_period(contract.start_date, line.frequency, quote.start_date)
        earlier = _usable(debits.get(line.external_key), period, quote.start_date)
        change = prorate(
            unit_price=line.unit_price, before=line.prior_quantity, after=line.quantity,
            period=period, effective=quote.start_date, currency=quote.currency,
            debited=earlier,
        )  # fmt: skip
        charged[line.external_key] = {
            "amount": str(change.debit.amount),
            "start": change.debit.span.start.isoformat(),
            "end": change.debit.span.end.isoformat(),
        }
        delta = quantise((line.quantity - line.prior_quantity) * line.unit_price, quote.currency)
        net, per_term = net + change.net, per_term + delta
        words.append(f"{delta} {quote.currency} × {change.words} = {change.net}")
    return Amendment(
        number=f"{contract.number}-A{contract.generation}",
        contract=contract,
        quote=quote,
        generation=contract.generation,
        legal_entity=contract.legal_entity,
        journey_id=contract.journey_id,
        effective_date=quote.start_date,
        currency=quote.currency,
        net_per_term=per_term,
        prorated_net=net,
        proration={"words": "; ".join(words), "debits": charged},
        status="accepted",
        source_system=quote.source_system,
        source_version=quote.source_version,
    )


def _amendment_event(amendment: Amendment) -> NewEvent:
    return NewEvent(
        type="amendment.created",
        aggregate_type="amendment",
        aggregate_id=amendment.id,
        aggregate_version=amendment.version,
        legal_entity_id=amendment.legal_entity_id,
        journey_id=amendment.journey_id,
        data={
            "number": amendment.number,
            "contract_id": amendment.contract_id,
            "contract_number": amendment.contract.number,
            "quote_number": amendment.quote.number,
            "customer": amendment.quote.customer.name,
            "amount": amendment.prorated_net,
            "per_term": amendment.net_per_term,
            "proration": amendment.proration["words"],
            "currency": amendment.currency,
            "effective_date": amendment.effective_date,
            "generation": amendment.generation,
        },
    )
