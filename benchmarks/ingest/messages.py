"""Signed messages of the size that a billing platform sends, each of an invoice of its own.

Their contract is not known to the hub, so that its workers take each as far as an invoice goes
whose order comes later; nothing in them needs a table of the mapping.
"""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator

_LINE = {
    "id": "il_1QxPlatformEnterprise", "object": "line_item", "amount": 148210, "currency": "eur",
    "description": "Platform Enterprise, 36 seats", "quantity": 36,
    "period": {"start": 1764028800, "end": 1766620800}, "subscription": "sub_1QxNordwind",
    "pricing": {"type": "price_details", "unit_amount_decimal": "4116.94",
                "price_details": {"price": "price_1QxPlatformEnterpriseAnnual36"}},
    "taxes": [{"amount": 28160, "tax_behavior": "exclusive", "taxable_amount": 148210}],
}  # fmt: skip
_ID, _SECOND = "evt_placeholder_of_an_id", 1_111_111_111
_INVOICE = {
    "id": f"in_{_ID}", "object": "invoice", "currency": "eur", "number": "INV-2026-006991",
    "customer": "cus_1QxNordwind", "customer_name": "Nordwind GmbH", "status": "open",
    "customer_address": {"city": "Kiel", "country": "DE", "line1": "Hafenstraße 1"},
    "total": 474790, "subtotal": 444630, "total_excluding_tax": 474790, "total_taxes": [],
    "metadata": {"legal_entity": "DE01", "hub_contract": "C-88200"}, "created": 1764028800,
    "lines": {"object": "list", "has_more": False, "data": [_LINE] * 5},
}  # fmt: skip


def _template() -> bytes:
    event = {
        "id": _ID, "object": "event", "api_version": None, "created": _SECOND, "livemode": False,
        "type": "invoice.finalized", "data": {"object": _INVOICE}, "pending_webhooks": 1,
    }  # fmt: skip
    return json.dumps(event).encode()


def signed_requests(count: int, port: int, secret: str) -> Iterator[bytes]:
    """Whole HTTP requests, ready to be written to a connection."""
    stamp = str(int(time.time()))
    parts = _template().replace(str(_SECOND).encode(), stamp.encode()).split(_ID.encode())
    run = uuid.uuid4().hex
    for number in range(count):
        body = f"evt_{run}{number:08d}".encode().join(parts)
        signed = f"{stamp}.".encode() + body
        signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        head = (
            f"POST /webhooks/stripe/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nCache-Control: no-cache\r\n"
            f"Stripe-Signature: t={stamp},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body
