"""One Stripe account: its documents, events and ledger."""

from __future__ import annotations

import secrets
import string
from typing import Any

from apps.simulators.core.codec import Document, dumps
from apps.simulators.core.kit import Kit
from apps.simulators.core.ledger import Entry
from apps.simulators.core.store import Reader
from apps.simulators.core.webhooks import Message, Outbox
from apps.simulators.stripe.currencies import major_text
from apps.simulators.stripe.errors import missing
from apps.simulators.stripe.rendering import public

API_VERSION = "2026-10-28.endive"
ALPHABET = string.ascii_letters + string.digits

# Metadata keys in which an integration usually keeps its own reference and legal entity.
REFERENCE_KEYS = ("hub_reference", "hub_ref", "external_ref", "reference")
ENTITY_KEYS = ("legal_entity", "entity")

PREFIXES = {
    "customer": "cus_",
    "product": "prod_",
    "price": "price_1",
    "tax_rate": "txr_1",
    "subscription": "sub_1",
    "subscription_item": "si_",
    "invoice": "in_1",
    "line_item": "il_1",
    "invoiceitem": "ii_1",
    "invoice_payment": "inpay_1",
    "credit_note": "cn_1",
    "credit_note_line_item": "cnli_1",
    "event": "evt_1",
    "webhook_endpoint": "we_1",
    "customer_balance_transaction": "cbtxn_1",
}


def new_id(kind: str) -> str:
    return PREFIXES[kind] + "".join(secrets.choice(ALPHABET) for _ in range(23))


class Account:
    """Documents of one account; `request_id` and `idempotency_key` are of the call at hand."""

    def __init__(self, kit: Kit, outbox: Outbox) -> None:
        self.kit, self.outbox = kit, outbox
        self.store = kit.store
        self.request_id: str | None = None
        self.idempotency_key: str | None = None

    def now(self) -> int:
        return self.kit.clock.unix()

    def fetch(self, kind: str, key: str, reader: Reader | None = None) -> Document:
        """The object of a path. Raises resource_missing (404)."""
        document = (reader or self.store).get(kind, key)
        if document is None:
            raise missing(kind, key)
        return document

    def refer(self, kind: str, key: str, param: str) -> Document:
        """An object named by a parameter. Raises resource_missing (400)."""
        document = self.store.get(kind, key)
        if document is None:
            raise missing(kind, key, param, status=400)
        return document

    def save(self, document: Document) -> Document:
        return self.store.put(document["object"], document["id"], document)

    def emit(self, topic: str, document: Document, previous: Document | None = None) -> None:
        """Keep an event and owe it to the webhook endpoints."""
        data: Document = {"object": public(document)}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Document = {
            "id": new_id("event"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": topic,
        }
        body = dumps(event).decode()
        event["pending_webhooks"] = self.outbox.publish(Message(event["id"], topic, body))
        self.save(event)

    def record(self, action: str, document: Document, amounts: Document | None = None) -> None:
        """Write a ledger line; amounts are minor units under net, tax, gross."""
        metadata = self._metadata(document)
        currency = document.get("currency")
        money = {
            name: major_text(minor, currency)
            for name, minor in (amounts or {}).items()
            if currency
        }
        self.kit.ledger.record(
            Entry(
                action=action,
                object=document["object"],
                id=document["id"],
                external_ref=_first(metadata, REFERENCE_KEYS),
                idempotency_key=self.idempotency_key,
                entity=_first(metadata, ENTITY_KEYS) or self._entity_of_customer(document),
                currency=currency.upper() if currency else None,
                detail=_detail(document, metadata),
                **money,
            )
        )

    def _metadata(self, document: Document) -> Document:
        """Own metadata over that of the subscription it belongs to."""
        parent = (document.get("parent") or {}).get("subscription_details") or {}
        return {**(parent.get("metadata") or {}), **(document.get("metadata") or {})}

    def _entity_of_customer(self, document: Document) -> str | None:
        key = document.get("customer")
        customer = self.store.get("customer", key) if key else None
        return _first((customer or {}).get("metadata") or {}, ENTITY_KEYS)


def _first(metadata: Document, keys: tuple[str, ...]) -> str | None:
    return next((str(metadata[key]) for key in keys if metadata.get(key)), None)


def _detail(document: Document, metadata: Document) -> Document:
    names = (
        "number",
        "status",
        "customer",
        "subscription",
        "invoice",
        "billing_reason",
        "created",
    )
    detail: dict[str, Any] = {name: document[name] for name in names if name in document}
    parent = (document.get("parent") or {}).get("subscription_details")
    if parent:
        detail["subscription"] = parent["subscription"]
    return {**detail, "metadata": metadata}
