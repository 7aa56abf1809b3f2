"""Moving a document that could not be posted in time to a later posting date."""

import datetime as dt
import uuid

from apps.canonical.models import Invoice
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent


def move_posting_date(
    *,
    invoice_id: uuid.UUID,
    posting_date: dt.date,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> Invoice:
    """Post an invoice on a later business date; the invoice's own date stays. Revenue whose
    period has begun by then is recognised with it."""
    with acting(actor):
        invoice: Invoice = Invoice.objects.select_for_update().get(id=invoice_id)
        before = invoice.posting_date
        invoice.posting_date = posting_date
        invoice.version += 1
        invoice.save(update_fields=["posting_date", "version", "updated_at"])
        event = NewEvent(
            type="invoice.posting_date_moved",
            aggregate_type="invoice",
            aggregate_id=invoice.id,
            aggregate_version=invoice.version,
            legal_entity_id=invoice.legal_entity_id,
            journey_id=invoice.journey_id,
            data={
                "number": invoice.number,
                "from": before,
                "to": posting_date,
                "reason": reason,
            },
        )
        publish_events([event], actor=actor, now=now)
    return invoice
