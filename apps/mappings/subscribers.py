"""Decisions of a second person put versions in force or send them back."""

import datetime as dt

from apps.events.models import Event
from apps.events.registry import subscribe
from apps.mappings.services import activate_approved, send_back_rejected
from apps.mappings.services.drafts import APPROVAL_KIND


@subscribe("mappings.approvals", "approval.approved")
def activate(events: list[Event], now: dt.datetime) -> None:
    activate_approved(
        [e.aggregate_id for e in events if e.data.get("kind") == APPROVAL_KIND], now=now
    )


@subscribe("mappings.rejections", "approval.rejected")
def send_back(events: list[Event], now: dt.datetime) -> None:
    send_back_rejected(
        [e.aggregate_id for e in events if e.data.get("kind") == APPROVAL_KIND], now=now
    )
