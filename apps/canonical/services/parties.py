"""Customers and products that arrive inside quotes."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from apps.canonical.models import Customer, Product, RecordVersion
from apps.canonical.ownership import fields_not_owned
from apps.canonical.services.history import changed_fields, last_words, version_row
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent
from apps.organisation.models import LegalEntity

CUSTOMER_FIELDS = (
    "name", "email", "currency", "vat_id", "street", "city", "state_code", "postal_code",
    "country", "department", "location",
)  # fmt: skip
PRODUCT_FIELDS = ("name", "charge_type", "revenue_class", "tax_category", "is_bundle")


def store_customers(
    said: Mapping[str, Mapping[str, Any]],
    entities: Mapping[str, LegalEntity],
    source: str,
    actor: Actor,
    now: dt.datetime,
) -> dict[str, Customer]:
    """Create or change customers by number; returns them by number.

    ``said`` maps a customer's number to its fields and its ``entity`` code. A field that another
    system owns is taken when the customer is new and left alone afterwards.
    """
    known = {c.number: c for c in Customer.objects.select_for_update().filter(number__in=said)}
    before = last_words("customer", [c.id for c in known.values()], source)
    not_theirs = fields_not_owned("customer", source, CUSTOMER_FIELDS)
    made, changed = [], []
    for number, content in said.items():
        fields = {name: content.get(name) or "" for name in CUSTOMER_FIELDS}
        customer = known.get(number)
        if customer is None:
            entity = entities[str(content["entity"])]
            customer = Customer(number=number, legal_entity=entity, source_system=source, **fields)
            made.append((customer, fields))
            known[number] = customer
            continue
        new = changed_fields(fields, before.get(customer.id, {}), not_theirs)
        if new:
            customer.version += 1
            for name, value in new.items():
                setattr(customer, name, value)
            changed.append((customer, fields))
    Customer.objects.bulk_create([c for c, _ in made])
    Customer.objects.bulk_update([c for c, _ in changed], [*CUSTOMER_FIELDS, "version"])
    _keep("customer", [*made, *changed], source, actor, now)
    events = [_customer_event(c, "created") for c, _ in made]
    events += [_customer_event(c, "changed") for c, _ in changed]
    publish_events(events, actor=actor, now=now)
    return known


def _customer_event(customer: Customer, what: str) -> NewEvent:
    return NewEvent(
        type=f"customer.{what}",
        aggregate_type="customer",
        aggregate_id=customer.id,
        aggregate_version=customer.version,
        legal_entity_id=customer.legal_entity_id,
        data={"number": customer.number, "name": customer.name,
              "wakes": [f"customer:{customer.number}"]},
    )  # fmt: skip


def store_products(
    said: Mapping[str, Mapping[str, Any]], source: str, actor: Actor, now: dt.datetime
) -> dict[str, Product]:
    """Create or change products by SKU; returns them by SKU. Products are global to the group."""
    known = {p.sku: p for p in Product.objects.select_for_update().filter(sku__in=said)}
    before = last_words("product", [p.id for p in known.values()], source)
    not_theirs = fields_not_owned("product", source, PRODUCT_FIELDS)
    made, changed = [], []
    for sku, content in said.items():
        fields = {name: content.get(name, "") for name in PRODUCT_FIELDS}
        fields["is_bundle"] = bool(content.get("is_bundle"))
        product = known.get(sku)
        if product is None:
            product = known[sku] = Product(sku=sku, source_system=source, **fields)
            made.append((product, fields))
            continue
        new = changed_fields(fields, before.get(product.id, {}), not_theirs)
        if new:
            product.version += 1
            for name, value in new.items():
                setattr(product, name, value)
            changed.append((product, fields))
    Product.objects.bulk_create([p for p, _ in made])
    Product.objects.bulk_update([p for p, _ in changed], [*PRODUCT_FIELDS, "version"])
    _keep("product", [*made, *changed], source, actor, now)
    publish_events(
        [
            NewEvent("product.created", "product", p.id, p.version, data={"sku": p.sku})
            for p, _ in made
        ],
        actor=actor,
        now=now,
    )
    return known


def _keep(
    record_type: str,
    pairs: Iterable[tuple[Any, Mapping[str, Any]]],
    source: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    RecordVersion.objects.bulk_create(
        [
            version_row(record_type, r, fields, source=source, actor_label=actor.label, now=now)
            for r, fields in pairs
        ]
    )
