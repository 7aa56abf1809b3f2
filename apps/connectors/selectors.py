"""Reads of connections and exchanges."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.connectors.base import ChecksCustomers, DoorConfig
from apps.connectors.models import Connection, Exchange
from apps.connectors.policies import choose_route
from apps.connectors.registry import connector_for
from apps.connectors.secrets import unseal
from apps.core.errors import ErrorFacts, RejectedError
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet


def route_connections(
    wanted: Sequence[tuple[str, uuid.UUID]],
) -> dict[tuple[str, uuid.UUID], Connection]:
    """The connection of each (role, legal entity); pairs that nobody serves are left out.

    A connection whose config says ``{"ledger_role": "shadow"}`` is never routed to.
    """
    roles = {role for role, _ in wanted}
    candidates = [
        connection
        for connection in Connection.objects.filter(role__in=roles)
        if connection.config.get("ledger_role") != "shadow"
    ]
    routes = {pair: choose_route(candidates, *pair) for pair in set(wanted)}
    return {pair: connection for pair, connection in routes.items() if connection is not None}


def list_connections(principal: Principal) -> ScopedQuerySet:
    """Connections a principal may see, by role and name."""
    return Connection.objects.visible_to(principal).order_by("role", "name")


@dataclass(frozen=True, slots=True)
class Door:
    """A connection's webhook door as it stood at revision ``rev`` of the connection."""

    connection_id: uuid.UUID
    rev: int
    vendor: str
    config: DoorConfig


def find_door(code: str) -> Door | None:
    """The door at an address. Raises ``ConfigurationError`` under a wrong field key."""
    row = find_connection(code)
    if row is None:
        return None
    config = DoorConfig(row.config, unseal(row.secrets, row.code))
    return Door(row.id, row.rev, row.vendor, config)


def find_connection(code: str) -> Connection | None:
    return Connection.objects.filter(code=code).first()


def platform_name(vendor: str) -> str:
    """What people call the platform of a vendor: the name of its connection."""
    names = Connection.objects.filter(vendor=vendor).order_by("code")
    return names.values_list("name", flat=True).first() or vendor or "the platform"


def get_connection(principal: Principal, code: str) -> Connection:
    """A connection by code. Raises ``Connection.DoesNotExist``, also for another entity's."""
    connection: Connection = Connection.objects.visible_to(principal).get(code=code)
    return connection


def connections_by_id(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Connection]:
    return {c.id: c for c in Connection.objects.filter(id__in=ids)}


def list_exchanges(
    principal: Principal,
    *,
    connection_id: uuid.UUID | None = None,
    subject_ids: Sequence[uuid.UUID] = (),
    journey_id: uuid.UUID | None = None,
) -> ScopedQuerySet:
    """Exchanges a principal may see, newest first, narrowed to what is given."""
    rows: ScopedQuerySet = Exchange.objects.visible_to(principal).order_by("-id")
    if connection_id is not None:
        rows = rows.filter(connection_id=connection_id)
    if subject_ids:
        rows = rows.filter(subject_id__in=subject_ids)
    if journey_id is not None:
        rows = rows.filter(journey_id=journey_id)
    return rows


def list_ailing() -> list[Connection]:
    """Connections that do not work as they should: paused, draining, or with an open circuit."""
    return [
        connection
        for connection in Connection.objects.order_by("name")
        if connection.state != "active" or connection.circuit != "closed"
    ]


def customer_fault(
    entity_id: uuid.UUID, seller_country: str, customer: Mapping[str, Any]
) -> ErrorFacts | None:
    """What the tax engine of a legal entity finds wrong with a customer, by its settings alone.
    None when it finds nothing, or can only be asked by a call."""
    connection = route_connections([("tax", entity_id)]).get(("tax", entity_id))
    if connection is None:
        return None
    connector: object = connector_for(connection.vendor)
    if not isinstance(connector, ChecksCustomers):
        return None
    try:
        connector.check_customer(connection.config, seller_country, customer)
    except RejectedError as error:
        return error.facts
    return None
