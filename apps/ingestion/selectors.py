"""Reads of inbound work."""

import datetime as dt
import uuid

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.connectors.models import Connection
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.ingestion.models import Delivery, InboundEvent, Quarantine, SourceCheck


def list_inbound(principal: Principal) -> ScopedQuerySet:
    """Inbound events a principal may see, newest first."""
    return InboundEvent.objects.visible_to(principal).select_related("delivery").order_by("-id")


def list_quarantine(principal: Principal) -> ScopedQuerySet:
    """Refused bodies a principal may see, newest first."""
    return Quarantine.objects.visible_to(principal).order_by("-received_at")


def has_unsplit() -> bool:
    return Delivery.objects.filter(split_at__isnull=True, due_at__lte=Now()).exists()


def has_due() -> bool:
    """Whether some event is due, or a claim ended without a result."""
    return InboundEvent.objects.filter(
        state__in=["received", "processing"], due_at__lte=Now()
    ).exists()


def due_readers(now: dt.datetime) -> list[str]:
    """Connections with something to fetch or a poll that is due."""
    thin = InboundEvent.objects.filter(
        connection_id=OuterRef("id"), state="waiting", wait_reason="fetch", due_at__lte=now
    )
    may_call = (Q(circuit_until__isnull=True) | Q(circuit_until__lte=now)) & (
        Q(held_until__isnull=True) | Q(held_until__lte=now)
    )
    due = Connection.objects.filter(may_call, state="active").filter(
        Q(next_poll_at__lte=now) | Q(snapshot_due_at__lte=now) | Exists(thin)
    )
    return [str(pk) for pk in due.values_list("id", flat=True)]


def find_source_check(connection_id: uuid.UUID) -> SourceCheck | None:
    """What comparing with a source has found; None before the first comparison."""
    return SourceCheck.objects.filter(connection_id=connection_id).first()


def inbound_by_id(ids: list[uuid.UUID]) -> dict[uuid.UUID, InboundEvent]:
    return {e.id: e for e in InboundEvent.objects.filter(id__in=ids)}
