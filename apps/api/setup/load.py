"""Each section of a setup file, in the order in which they need each other. Repeatable."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password

from apps import mappings
from apps.api.setup.document import SetupError, last_business_day, month
from apps.canonical.models import AccountingDimension, TaxCode
from apps.connectors.services import ensure_connection
from apps.connectors.types import ConnectionSpec
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec, RowDraft
from apps.masterdata.models import FieldOwnership
from apps.organisation.models import (
    Currency,
    ExchangeRate,
    Group,
    LegalEntity,
    PostingPeriod,
)
from apps.users.models import ApiClient, Person, RoleGrant, User
from apps.users.services import hash_key

SETUP = system_actor("setup")
DEFAULTS = Path(mappings.__file__).parent / "defaults"
Rows = Sequence[Mapping[str, Any]]


def load_setup(document: Mapping[str, Any], *, now: dt.datetime) -> dict[str, int]:
    """Load every section; returns how many entries each had.

    Raises ``SetupError`` for an unknown section or an entry that names something unknown.
    """
    unknown = set(document) - set(SECTIONS)
    if unknown:
        raise SetupError(f"Unknown sections {sorted(unknown)}; known are {list(SECTIONS)}.")
    counts = {}
    with acting(SETUP):
        for name, load in SECTIONS.items():
            if name in document:
                load(document[name], now)
                counts[name] = len(document[name])
        _default_field_maps(now)
    return counts


def _currencies(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        Currency.objects.update_or_create(
            code=row["code"], defaults={"name": row["name"], "exponent": row["exponent"]}
        )


def _group(row: Mapping[str, Any], now: dt.datetime) -> None:
    Group.objects.update_or_create(
        id=1, defaults={"name": row["name"], "reporting_currency_id": row["reporting_currency"]}
    )


def _entities(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        LegalEntity.objects.update_or_create(
            code=row["code"],
            defaults={
                "name": row["name"],
                "country": row["country"],
                "functional_currency_id": row["currency"],
                "time_zone": row["time_zone"],
                "tax_registration": row.get("tax_registration", ""),
            },
        )


def _entity(code: str | None) -> LegalEntity | None:
    if not code:
        return None
    entity = LegalEntity.objects.filter(code=code).first()
    if entity is None:
        raise SetupError(f"There is no legal entity {code}; add it under entities.")
    return entity


def _rates(rows: Rows, now: dt.datetime) -> None:
    day = last_business_day(now.date())
    for row in rows:
        ExchangeRate.objects.update_or_create(
            base_id=row["base"],
            quote_id=row["quote"],
            rate_date=day,
            source=row["source"],
            defaults={"rate": Decimal(row["rate"])},
        )


def _periods(rows: Rows, now: dt.datetime) -> None:
    """``{"offset": -2, "state": "locked"}`` for every legal entity; a period is made once."""
    for entity in LegalEntity.objects.all():
        for row in rows:
            start, end = month(now.date(), int(row["offset"]))
            PostingPeriod.objects.get_or_create(
                legal_entity=entity,
                code=f"{start:%Y-%m}",
                defaults={"start": start, "end": end, "state": row["state"]},
            )


def _dimensions(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        AccountingDimension.objects.update_or_create(
            legal_entity=_entity(row.get("entity")),
            kind=row["kind"],
            code=row["code"],
            defaults={"name": row["name"]},
        )


def _tax_codes(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        TaxCode.objects.update_or_create(
            legal_entity=_entity(row["entity"]),
            code=row["code"],
            defaults={
                "name": row["name"],
                "kind": row["kind"],
                "country": row["country"],
                "rate": Decimal(row["rate"]),
            },
        )


def _ownership(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        FieldOwnership.objects.update_or_create(
            record_type=row["record_type"],
            field=row.get("field", "*"),
            defaults={"owner": row["owner"]},
        )


def _users(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        person, _ = Person.objects.update_or_create(
            email=row["email"], defaults={"name": row["name"]}
        )
        given, _, family = row["name"].partition(" ")
        user, made = User.objects.get_or_create(
            username=row["username"],
            defaults={
                "person": person,
                "email": row["email"],
                "first_name": given,
                "last_name": family,
                "time_zone": row.get("time_zone", "UTC"),
                "is_staff": row.get("back_office", False),
                "is_superuser": row.get("back_office", False),
                "password": make_password(row["password"]),
            },
        )
        if made:
            _grant(user, row["roles"])


def _grant(user: User, roles: Rows) -> None:
    RoleGrant.objects.bulk_create(
        [
            RoleGrant(user=user, role=role["role"], legal_entity=_entity(role.get("entity")))
            for role in roles
        ]
    )


def _api_clients(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        ApiClient.objects.update_or_create(
            name=row["name"],
            defaults={
                "key_prefix": row["key"][:12],
                "key_hash": hash_key(row["key"]),
                "scopes": row["scopes"],
                "legal_entity": _entity(row.get("entity")),
            },
        )


def _connections(rows: Rows, now: dt.datetime) -> None:
    for row in rows:
        entity = _entity(row.get("entity"))
        spec = ConnectionSpec(
            code=row["code"],
            name=row["name"],
            vendor=row["vendor"],
            role=row["role"],
            base_url=row.get("base_url", ""),
            legal_entity_id=entity.id if entity else None,
            config=row.get("config", {}),
            secrets=row.get("secrets"),
            concurrency=row.get("concurrency", 4),
            poll_every_seconds=row.get("poll_every_seconds", 0),
        )
        ensure_connection(spec, actor=SETUP, now=now)


def _value_maps(rows: Rows, now: dt.datetime) -> None:
    specs = [
        MappingSpec(
            code=row["code"],
            name=row["name"],
            kind="value",
            source=row["source"],
            target=row["target"],
            rows=[RowDraft(**pair) for pair in row["rows"]],
        )
        for row in rows
    ]
    ensure_mappings(specs, actor=SETUP, now=now)


def _default_field_maps(now: dt.datetime) -> None:
    """The field maps that ship with the hub; one that people changed is left alone."""
    files = sorted(DEFAULTS.glob("*.json"))
    specs = [MappingSpec(kind="field", **json.loads(file.read_text())) for file in files]
    ensure_mappings(specs, actor=SETUP, now=now)


SECTIONS: dict[str, Callable[[Any, dt.datetime], None]] = {
    "currencies": _currencies,
    "group": _group,
    "entities": _entities,
    "rates": _rates,
    "periods": _periods,
    "dimensions": _dimensions,
    "tax_codes": _tax_codes,
    "ownership": _ownership,
    "users": _users,
    "api_clients": _api_clients,
    "connections": _connections,
    "value_maps": _value_maps,
}
