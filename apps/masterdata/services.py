"""Corrections of master data, checked by what the installation's own tables know."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from apps.canonical import services as canonical
from apps.canonical.models import AccountingDimension, Customer
from apps.connectors.selectors import customer_fault
from apps.core.countries import COUNTRIES
from apps.core.errors import RejectedError
from apps.core.principal import Actor
from apps.events.services import acting

DIMENSIONS = {"department": "Department", "location": "Location"}
UPPER = ("country", "state_code", "vat_id")  # codes, which people may type in small letters
CHECKED = ("name", "country", "state_code", "vat_id")  # what a tax engine looks at


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

    A value that could not work is refused before it is kept: a country that is none, a department
    that the ERP does not have, a state or VAT number that the tax table of the customer's legal
    entity does not know. A field that was wrong before and is not changed hinders nothing.

    Raises ``RejectedError`` naming the field, ``StaleWriteError`` when the customer changed since
    ``version``.
    """
    tidy = {n: v.strip().upper() if n in UPPER else v.strip() for n, v in changes.items()}
    with acting(actor):
        customer = Customer.objects.select_for_update().get(id=customer_id)
        _check_country(tidy)
        _check_dimensions(customer, tidy)
        _check_tax(customer, tidy)
        return canonical.correct_customer(
            customer_id=customer_id,
            changes=tidy,
            version=version,
            reason=reason,
            actor=actor,
            now=now,
        )


def _check_country(changes: Mapping[str, str]) -> None:
    country = changes.get("country")
    if country is not None and country not in COUNTRIES:
        raise _refused(
            "country",
            f"{country or 'Nothing'} is no country. Enter its code of two letters, such as US.",
        )


def _check_dimensions(customer: Customer, changes: Mapping[str, str]) -> None:
    """A dimension must be one that the ERP has for this legal entity, where those are known."""
    given = {name: changes[name] for name in DIMENSIONS if changes.get(name)}
    known = AccountingDimension.objects.filter(
        Q(legal_entity_id=customer.legal_entity_id) | Q(legal_entity_id__isnull=True),
        kind__in=given,
        is_active=True,
    )
    codes: dict[str, list[str]] = {}
    for kind, code in known.order_by("code").values_list("kind", "code") if given else ():
        codes.setdefault(kind, []).append(code)
    for name, value in given.items():
        if name in codes and value not in codes[name]:
            raise _refused(
                name,
                f"{DIMENSIONS[name]} {value} is none of the ERP. Known are {_some(codes[name])}.",
            )


def _some(codes: list[str]) -> str:
    shown = ", ".join(codes[:8])
    return f"{shown} and {len(codes) - 8} more" if len(codes) > 8 else shown


def _check_tax(customer: Customer, changes: Mapping[str, str]) -> None:
    """The tax table's word, when it is about a field that changes."""
    entity = customer.legal_entity
    if entity is None or not any(name in changes for name in CHECKED):
        return
    after: dict[str, Any] = {name: changes.get(name, getattr(customer, name)) for name in CHECKED}
    fault = customer_fault(entity.id, entity.country, after)
    field = fault.field.rpartition(".")[2] if fault else ""
    if fault is not None and field in changes:
        raise _refused(field, fault.message.removesuffix(", then retry.").rstrip(".") + ".")


def _refused(field: str, message: str) -> RejectedError:
    return RejectedError("value_not_known", message, field=field)
