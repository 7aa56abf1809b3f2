"""What the pinned `stripe` package expects of the objects in replies."""

from __future__ import annotations

import functools
import types
from typing import Any, ClassVar, get_origin

import stripe
import typing_extensions
from stripe import StripeObject

from tests.contracts.typed_schema import Schema, resolve, schema_of

RESOURCES: dict[str, type[StripeObject]] = {
    "customer": stripe.Customer,
    "product": stripe.Product,
    "price": stripe.Price,
    "tax_rate": stripe.TaxRate,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
    "invoice": stripe.Invoice,
    "line_item": stripe.InvoiceLineItem,
    "invoiceitem": stripe.InvoiceItem,
    "invoice_payment": stripe.InvoicePayment,
    "credit_note": stripe.CreditNote,
    "credit_note_line_item": stripe.CreditNoteLineItem,
    "event": stripe.Event,
    "webhook_endpoint": stripe.WebhookEndpoint,
}


@functools.cache
def resource_schemas() -> dict[str, Schema]:
    """Definitions of all resources above and of everything nested in them."""
    builder = _Builder()
    for cls in RESOURCES.values():
        builder.reference(cls)
    return builder.definitions


def reply_schema(name: str) -> Schema:
    """The schema of one object type. Raises KeyError for a type not listed above."""
    key = _key(RESOURCES[name])
    return {"$ref": f"#/$defs/{key}", "$defs": resource_schemas()}


class _Builder:
    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def reference(self, cls: type) -> Schema:
        if not issubclass(cls, StripeObject):
            return {}
        name = getattr(cls, "OBJECT_NAME", None)
        if name is not None and RESOURCES.get(name) is not cls:
            return {"type": "object"}  # an object that the simulator does not have
        key = _key(cls)
        if key not in self.definitions:
            self.definitions[key] = {}
            self.definitions[key] = self._object(cls)
        return {"$ref": f"#/$defs/{key}"}

    def _object(self, cls: type) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for name, annotation in cls.__annotations__.items():
            if name.startswith("_") or name == "OBJECT_NAME" or _is_class_variable(annotation):
                continue
            properties[name] = schema_of(annotation, cls, self.reference)
            if not _is_optional(resolve(annotation, cls)):
                required.append(name)
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def _key(cls: type) -> str:
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__qualname__}"


def _is_class_variable(annotation: Any) -> bool:
    return get_origin(annotation) is ClassVar


def _is_optional(annotation: Any) -> bool:
    union = typing_extensions.get_origin(annotation)
    return (union is types.UnionType or "Union" in str(union)) and type(
        None
    ) in typing_extensions.get_args(annotation)
