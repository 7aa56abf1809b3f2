"""One door to all contracts, for simulators and connectors alike."""

from __future__ import annotations

import json
from typing import Any

from tests.contracts import (
    netsuite_contract,
    provisioning_contract,
    salesforce_contract,
    stripe_contract,
)

Body = bytes | str | None


def validate_request(vendor: str, method: str, path: str, body: Body = None) -> list[str]:
    """What the vendor's contract has against a request; empty when it is valid.

    `path` may carry a query string; `body` is what goes over the wire.
    """
    method, (path, _, query) = method.upper(), path.partition("?")
    if vendor == "stripe":
        return stripe_contract.request_problems(method, path, query, _text(body))
    document = None if _is_form(path) else _json(body)
    if vendor == "netsuite":
        return netsuite_contract.request_problems(method, path, document)
    if vendor == "salesforce":
        return salesforce_contract.request_problems(method, path, query, document)
    if vendor == "provisioning":
        return provisioning_contract.request_problems(method, path, document)
    raise ValueError(f"there is no contract for {vendor}")


def validate_reply(vendor: str, method: str, path: str, status: int, body: Body) -> list[str]:
    """What the vendor's contract has against a reply; empty when it is valid."""
    method, path = method.upper(), path.partition("?")[0]
    document = _json(body)
    if vendor == "stripe":
        return stripe_contract.reply_problems(status, document)
    if vendor == "netsuite":
        return netsuite_contract.reply_problems(path, status, document)
    if vendor == "salesforce":
        return salesforce_contract.reply_problems(method, path, status, document)
    if vendor == "provisioning":
        return provisioning_contract.reply_problems(path, status, document)
    raise ValueError(f"there is no contract for {vendor}")


def _is_form(path: str) -> bool:
    return path.endswith("/token")


def _text(body: Body) -> str:
    return body.decode() if isinstance(body, bytes) else body or ""


def _json(body: Body) -> Any:
    text = _text(body)
    return json.loads(text) if text else None
