"""Taking a quote that a program submits: stored as a delivery, processed like any other."""

import datetime as dt
import hashlib

from apps.connectors.models import Connection
from apps.core.principal import Principal
from apps.events.services import acting
from apps.ingestion.services import receive_delivery
from apps.ingestion.types import Receipt

CODE = "domain-api"


def submit_quote(body: bytes, *, key: str, principal: Principal, now: dt.datetime) -> Receipt:
    """Store a quote's bytes once for a client's idempotency key."""
    connection = _connection(principal)
    message = hashlib.sha256(f"{principal.actor.id}\n{key}".encode()).hexdigest()
    return receive_delivery(
        connection_id=connection.id,
        channel="api",
        message_id=f"api-{message}",
        raw=body,
        headers={"content-type": "application/json", "x-q2c-client": principal.actor.label},
        now=now,
    )


def _connection(principal: Principal) -> Connection:
    """The connection that stands for our own API; made with the first submission."""
    known: Connection | None = Connection.objects.filter(code=CODE).first()
    if known is not None:
        return known
    with acting(principal.actor):
        made, _ = Connection.objects.get_or_create(
            code=CODE,
            defaults={"name": "Domain API", "vendor": "api", "role": "intake"},
        )
    return made
