"""Quotes as CPQ states them, and the orders and amendments that accepted ones become."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.canonical.models import (
    Contract,
    Customer,
    Order,
    Product,
    Quote,
    QuoteLine,
    RecordVersion,
)
from apps.canonical.policies import may_activate
from apps.canonical.services.history import version_row
from apps.canonical.services.orders import make_amendments, make_orders
from apps.canonical.services.parties import store_customers, store_products
from apps.canonical.types import Applied, Draft
from apps.core.codec import content_hash
from apps.core.ids import uuid7
from apps.core.money import parse_amount
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent
from apps.organisation.models import LegalEntity


@dataclass(slots=True)
class Item:
    """A quote draft on its way: what is known of it and what became of it."""

    draft: Draft
    quote: Quote | None = None
    contract: Contract | None = None
    applied: Applied | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        return self.draft.content

    @property
    def contract_key(self) -> str:
        """The contract's id at CPQ: the new one of an order, the amended one of an amendment."""
        return str(self.content.get("contract_reference") or "")

    @property
    def is_accepted(self) -> bool:
        """Accepted by the customer and ordered; the hub's own write-back says booked."""
        return self.content.get("status") in ("accepted", "booked") and bool(
            self.content.get("ordered")
        )

    @property
    def amends(self) -> bool:
        return self.content.get("type") == "amendment"


def apply_quotes(drafts: Sequence[Draft], actor: Actor, now: dt.datetime) -> list[Applied]:
    """Store quotes, customers and products; accepted and approved quotes become orders or
    amendments. Drafts come in order of source version."""
    items = [Item(draft) for draft in drafts]
    entities = {e.code: e for e in LegalEntity.objects.all()}
    _attach_known(items)
    for item in items:
        item.applied = _refusal(item, entities) or _repetition(item)
    _note_repetitions(items)
    live = [item for item in items if item.applied is None]
    if live:
        _store(live, entities, actor, now)
    return [item.applied or Applied("unchanged") for item in items]


def _attach_known(items: Sequence[Item]) -> None:
    numbers = [str(item.content["number"]) for item in items]
    quotes = {q.number: q for q in Quote.objects.select_for_update().filter(number__in=numbers)}
    keys = [item.contract_key for item in items if item.amends]
    contracts = {
        order.quote.contract_reference: order.contract
        for order in Order.objects.select_related("quote", "contract").filter(
            quote__contract_reference__in=keys
        )
    }
    for item in items:
        item.quote = quotes.get(str(item.content["number"]))
        item.contract = contracts.get(item.contract_key) if item.amends else None


def _refusal(item: Item, entities: Mapping[str, LegalEntity]) -> Applied | None:
    """Why a draft is not applied, or None."""
    content, quote = item.content, item.quote
    entity = entities.get(str(content.get("entity")))
    if entity is None:
        return _refused(
            item, None, "unmapped_value", "entity",
            f"{content['number']} names the legal entity {content.get('entity') or '(none)'}, "
            f"which the hub does not have. Correct the account's legal entity at the source, "
            f"then retry.",
        )  # fmt: skip
    if quote is not None and quote.source_version >= item.draft.source_version:
        return Applied("older", quote.id, quote.journey_id, quote.legal_entity_id)
    approval = str(content.get("approval_outcome") or "")
    if item.is_accepted and not may_activate(accepted=True, approval_outcome=approval):
        return _refused(
            item, entity, "acceptance_without_approval", "approval",
            f"{content['number']} was accepted by the customer without an approval. Have it "
            f"approved in CPQ, which sends it again, or discard the acceptance with a reason.",
        )  # fmt: skip
    return _amendment_refusal(item, entity) if item.amends and item.is_accepted else None


def _amendment_refusal(item: Item, entity: LegalEntity) -> Applied | None:
    """An amendment waits for its contract and takes effect within its term."""
    contract = item.contract
    if contract is None:
        return Applied(
            "waits",
            legal_entity_id=entity.id,
            journey_id=item.draft.journey_id,
            waits_for=f"contract:{item.contract_key}",
        )
    effective = _day(item.content["start_date"])
    if contract.start_date <= effective < contract.end_date:
        return None
    return _refused(
        item, entity, "malformed_payload", "start_date",
        f"{item.content['number']} takes effect on {effective}, but contract {contract.number} "
        f"runs from {contract.start_date} to {contract.end_date}. Correct the start date in CPQ, "
        f"then retry; or discard the amendment with a reason.",
    )  # fmt: skip


def _repetition(item: Item) -> Applied | None:
    """A newer version that says what the hub has applied already: its own write-back, say."""
    quote = item.quote
    if quote is None or quote.content_hash != _fingerprint(item.content):
        return None
    quote.source_version = item.draft.source_version
    return Applied("unchanged", quote.id, quote.journey_id, quote.legal_entity_id)


def _note_repetitions(items: Sequence[Item]) -> None:
    """Keep the newest version that was seen, so that an older one is still refused."""
    seen = [i.quote for i in items if i.quote and i.applied and i.applied.outcome == "unchanged"]
    Quote.objects.bulk_update(seen, ["source_version"])


def _fingerprint(content: Mapping[str, Any]) -> str:
    """The hash of what a quote says, whenever it said so."""
    return content_hash({name: value for name, value in content.items() if name != "changed_at"})


def _refused(
    item: Item, entity: LegalEntity | None, code: str, field: str, message: str
) -> Applied:
    customer = item.content.get("customer") or {}
    return Applied(
        "refused",
        journey_id=item.quote.journey_id if item.quote else item.draft.journey_id,
        legal_entity_id=entity.id if entity else None,
        error_code=code,
        error_message=message,
        error_field=field,
        case_facts={
            "amount": _amount(item.content.get("net")),
            "currency": item.content.get("currency", ""),
            "document": item.content.get("number", ""),
            "customer": customer.get("name", ""),
            "key": item.content.get("number", ""),
            "contract": item.content.get("contract_number") or "",
        },
    )


def _amount(value: object) -> Decimal | None:
    try:
        return parse_amount(value)
    except ValueError:
        return None


def _store(
    items: Sequence[Item],
    entities: Mapping[str, LegalEntity],
    actor: Actor,
    now: dt.datetime,
) -> None:
    source = items[0].draft.source_system
    customers = store_customers(
        {
            str(i.content["customer"]["number"]): {
                **i.content["customer"], "entity": i.content["entity"],
            }
            for i in items
        },
        entities, source, actor, now,
    )  # fmt: skip
    products = store_products(
        {
            str(line["product"]["sku"]): {
                **line["product"], "charge_type": line["charge_type"],
            }
            for i in items
            for line in i.content["lines"]
        },
        source, actor, now,
    )  # fmt: skip
    for item in items:
        _store_one(item, customers, entities)
    _write(items, products, actor, now)
    accepted = [i for i in items if i.is_accepted]
    make_orders([(i.quote, i.content) for i in accepted if i.quote and not i.amends], actor, now)
    make_amendments(
        [(i.quote, i.contract) for i in accepted if i.quote and i.contract], actor, now
    )


def _store_one(
    item: Item, customers: Mapping[str, Customer], entities: Mapping[str, LegalEntity]
) -> None:
    content, draft = item.content, item.draft
    created = item.quote is None
    quote = item.quote or Quote(number=str(content["number"]), version=0)
    journey = item.contract.journey_id if item.contract else None
    quote.journey_id = quote.journey_id or journey or draft.journey_id or uuid7()
    quote.legal_entity = entities[str(content["entity"])]
    quote.customer = customers[str(content["customer"]["number"])]
    quote.type = str(content.get("type") or "new")
    quote.status = str(content.get("status") or "")
    quote.currency = str(content["currency"])
    quote.net = parse_amount(content["net"])
    quote.start_date = _day(content["start_date"])
    quote.end_date = _day(content["end_date"])
    quote.term_months = int(Decimal(str(content["term_months"])))
    quote.approval_outcome = str(content.get("approval_outcome") or "")
    quote.approved_by = str(content.get("approved_by") or "")
    quote.approved_at = _moment(content.get("approved_at"))
    quote.approval_reason = str(content.get("approval_reason") or "")
    quote.department = str(content.get("department") or "")
    quote.contract_reference = item.contract_key
    quote.version += 1
    quote.source_system, quote.source_version = draft.source_system, draft.source_version
    quote.content_hash = _fingerprint(content)
    item.quote = quote
    item.applied = Applied(
        "created" if created else "changed", quote.id, quote.journey_id, quote.legal_entity_id
    )


def _day(text: object) -> dt.date:
    return dt.date.fromisoformat(str(text)[:10])


def _moment(text: object) -> dt.datetime | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(str(text).replace("+0000", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


UPDATED = [
    "journey_id", "legal_entity", "customer", "type", "status", "currency", "net", "start_date",
    "end_date", "term_months", "approval_outcome", "approved_by", "approved_at",
    "approval_reason", "department", "contract_reference", "version", "source_system",
    "source_version", "content_hash",
]  # fmt: skip


def _write(
    items: Sequence[Item], products: Mapping[str, Product], actor: Actor, now: dt.datetime
) -> None:
    pairs = [(i, i.quote) for i in items if i.quote is not None]
    for item, quote in pairs:
        if item.is_accepted and quote.accepted_at is None:
            quote.accepted_at = now
    Quote.objects.bulk_create([q for i, q in pairs if _is_new(i)])
    Quote.objects.bulk_update([q for i, q in pairs if not _is_new(i)], [*UPDATED, "accepted_at"])
    QuoteLine.objects.filter(quote__in=[q for _, q in pairs]).delete()
    QuoteLine.objects.bulk_create(
        [line for i, q in pairs for line in _lines(q, i.content["lines"], products)]
    )
    RecordVersion.objects.bulk_create(
        [
            version_row(
                "quote", q, i.content, source=q.source_system, actor_label=actor.label, now=now,
                translation_id=i.draft.translation_id,
            )
            for i, q in pairs
        ]
    )  # fmt: skip
    publish_events([_event(i, q) for i, q in pairs], actor=actor, now=now)


def _is_new(item: Item) -> bool:
    return item.applied is not None and item.applied.outcome == "created"


def _lines(
    quote: Quote, lines: Sequence[Mapping[str, Any]], products: Mapping[str, Product]
) -> list[QuoteLine]:
    places = {str(line["key"]): n for n, line in enumerate(lines)}
    return [
        QuoteLine(
            quote=quote,
            position=n,
            product=products[str(line["product"]["sku"])],
            parent_position=places.get(str(line.get("parent_key") or "")),
            description=str(line.get("description") or line["product"]["name"])[:250],
            charge_type=str(line["charge_type"]),
            frequency=str(line.get("frequency") or ""),
            quantity=parse_amount(line["quantity"]),
            prior_quantity=parse_amount(line.get("prior_quantity") or "0"),
            list_price=parse_amount(line.get("list_price") or "0"),
            unit_price=parse_amount(line["unit_price"]),
            net=parse_amount(line["net"]),
            external_key=str(line.get("upgrades") or line["key"]),
        )
        for n, line in enumerate(lines)
    ]


def _event(item: Item, quote: Quote) -> NewEvent:
    return NewEvent(
        type="quote.created" if _is_new(item) else "quote.changed",
        aggregate_type="quote",
        aggregate_id=quote.id,
        aggregate_version=quote.version,
        legal_entity_id=quote.legal_entity_id,
        journey_id=quote.journey_id,
        data={
            "number": quote.number,
            "type": quote.type,
            "status": quote.status,
            "external_id": item.draft.external_id,
            "connection_id": item.draft.connection_id,
            "customer": quote.customer.name,
            "customer_number": quote.customer.number,
            "amount": quote.net,
            "currency": quote.currency,
            "start_date": quote.start_date,
            "end_date": quote.end_date,
            "approval": quote.approval_outcome,
            "approved_by": quote.approved_by,
            "accepted": item.is_accepted,
            "version": quote.version,
            "generation": item.contract.generation + 1 if item.contract else 0,
        },
    )
