"""Corrections of master data that a person makes in the hub."""

import datetime as dt
import uuid
from collections.abc import Mapping

from apps.canonical.models import Customer
from apps.canonical.services.history import version_row
from apps.canonical.services.parties import CUSTOMER_FIELDS
from apps.core.errors import RejectedError, StaleWriteError
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent


def correct_customer(
    *,
    customer_id: uuid.UUID,
    changes: Mapping[str, str],
    version: int | None = None,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> Customer:
    """Change fields of a customer. The correction stands until the source changes that field.

    Raises ``RejectedError`` naming a field that cannot be corrected or a value that is too long,
    ``StaleWriteError`` when the customer changed since ``version``.
    """
    with acting(actor):
        customer: Customer = Customer.objects.select_for_update().get(id=customer_id)
        if version is not None and customer.version != version:
            raise StaleWriteError(f"{customer.name} was changed by someone else; reload the page.")
        for name, value in changes.items():
            _set(customer, name, value.strip())
        customer.version += 1
        customer.save()
        content = {name: getattr(customer, name) for name in CUSTOMER_FIELDS}
        version_row(
            "customer", customer, content, source="hub", actor_label=actor.label, now=now
        ).save()
        publish_events([_event(customer, changes, reason)], actor=actor, now=now)
    return customer


def _set(customer: Customer, name: str, value: str) -> None:
    if name not in CUSTOMER_FIELDS:
        raise RejectedError(
            "field_not_correctable",
            f"{name} of a customer cannot be corrected in the hub; change it at its owner.",
            field=name,
        )
    limit = getattr(customer._meta.get_field(name), "max_length", None)
    if limit is not None and len(value) > limit:
        raise RejectedError(
            "value_too_long", f"{name} takes at most {limit} characters.", field=name
        )
    setattr(customer, name, value)


def _event(customer: Customer, changes: Mapping[str, str], reason: str) -> NewEvent:
    return NewEvent(
        type="customer.corrected",
        aggregate_type="customer",
        aggregate_id=customer.id,
        aggregate_version=customer.version,
        legal_entity_id=customer.legal_entity_id,
        data={"number": customer.number, "fields": sorted(changes), "reason": reason},
    )
