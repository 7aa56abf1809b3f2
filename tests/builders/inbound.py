"""Signed messages of a billing platform, and inbound events without a delivery's detour."""

import datetime as dt
import hashlib
import hmac
import json
import time
import uuid

from django.db import connection

from apps.core.ids import uuid7
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.ingestion.models import Delivery, InboundEvent

SECRET = "whsec_" + "s" * 32
TESTS = system_actor("tests")


def event_body(invoice="in_1", *, second=None, number="INV-1", **changes):
    """A Stripe event of an invoice at a version (the second of its creation)."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": "invoice.finalized",
        "created": int(time.time()) if second is None else second, "api_version": None,
        "data": {"object": {"id": invoice, "object": "invoice", "number": number}},
    }  # fmt: skip
    return json.dumps({**event, **changes}).encode()


def signature(body, *, secret=SECRET, age=0):
    """Stripe's header, written out here a second time."""
    stamp = int(time.time()) - age
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def make_delivery(source, body, now):
    """A verified body that the door stored."""
    return Delivery.objects.create(
        connection_id=source.id, channel="webhook", message_id=uuid.uuid4().hex, raw=body,
        sha256=hashlib.sha256(body).hexdigest(), content_type="application/json", received_at=now,
    )  # fmt: skip


def make_inbound(source, now, *rows, **values):
    """Received events of invoices, one for each (object, version, number)."""
    delivery = make_delivery(source, b"{}", now)
    with acting(TESTS):
        return InboundEvent.objects.bulk_create(
            InboundEvent(
                id=uuid7(), delivery=delivery, ordinal=place, connection_id=source.id,
                event_type="invoice.finalized", object_type="invoice", object_id=key,
                source_version=version, ordering_key=f"{source.id}:invoice:{key}",
                payload={"number": number}, due_at=now, received_at=now, **values,
            )
            for place, (key, version, number) in enumerate(rows)
        )  # fmt: skip


def let_claims_end():
    """As if the time of every claim were over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ingestion_inboundevent SET due_at = now() - interval '1 s' "
            "WHERE state = 'processing'"
        )
        cursor.execute(
            "UPDATE ingestion_delivery SET due_at = now() - interval '1 s' WHERE split_at IS NULL"
        )


def long_ago(seconds=60):
    """A moment that is over by the database's clock."""
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
