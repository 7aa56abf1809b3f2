"""Pure decisions about connections: the circuit, the address, who serves a legal entity."""

import datetime as dt
import ipaddress
import uuid
from collections.abc import Iterable
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

OPENS_AFTER = 5  # failed calls in a row
FIRST_REST = 5.0  # seconds until the first probe
LONGEST_REST = 30.0


def circuit_rest(consecutive_failures: int) -> dt.timedelta | None:
    """How long an ailing platform is left alone: None below five failures, then 5 s doubling
    to 30 s."""
    beyond = consecutive_failures - OPENS_AFTER
    if beyond < 0:
        return None
    return dt.timedelta(seconds=min(LONGEST_REST, FIRST_REST * 2 ** min(beyond, 10)))


def circuit_shown(circuit: str, until: dt.datetime | None, now: dt.datetime) -> str:
    """closed, open, or half_open once the rest is over and one probe may go."""
    if circuit == "closed":
        return circuit
    return "half_open" if until is None or until <= now else "open"


def address_fault(base_url: str) -> str:
    """What is wrong with a platform's base address, in words; empty when nothing is.

    Only https may leave the machine; plain http is for this machine's own loopback.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "The base address must look like https://host."
    if parts.username or parts.password or parts.query or parts.fragment:
        return "The base address must not hold a user, a password, a query or a fragment."
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return "The base address must begin with https:// for a host other than this machine."
    return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Routable(Protocol):
    """What routing looks at."""

    code: str
    role: str
    state: str
    legal_entity_id: uuid.UUID | None


Candidate = TypeVar("Candidate", bound=Routable)


def choose_route(
    candidates: Iterable[Candidate], role: str, entity_id: uuid.UUID
) -> Candidate | None:
    """The connection that serves a role for a legal entity: the entity's own before the group's,
    an active one before one that is paused (its writes then wait in its lane)."""
    fitting = [c for c in candidates if c.role == role and c.legal_entity_id in (entity_id, None)]
    return min(
        fitting,
        key=lambda c: (c.legal_entity_id is None, c.state != "active", c.code),
        default=None,
    )
