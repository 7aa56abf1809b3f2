"""The notifier: tails events and tells open pages which records changed, by id only."""

import asyncio
import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer
from django.db import transaction
from redis.exceptions import RedisError

from apps.console.live import telling_groups
from apps.events.models import Event
from apps.events.registry import subscribe

logger = logging.getLogger(__name__)

SEND_SECONDS = 1.0  # a layer that takes longer must not hold up the readers of events
SILENCE = 10.0  # seconds without a try after that
MOST_CHANGES = 200  # a page that missed more than this loads its list again anyway
_silent_until = 0.0
Change = tuple[str, str, int]  # kind, public id, revision
Messages = dict[str, list[Change]]
# Prefix of the event's type → kind on the page, form of its number, queue that lists it.
_NUMBERED = {
    "exception": ("exception", "EXC-{}", "queue.exceptions"),
    "dead_letter": ("dead_letter", "DL-{}", "queue.dead-letters"),
    "approval": ("approval", "APR-{}", "queue.approvals"),
    "batch": ("batch", "B-{}", "queue.batches"),
    "break": ("break", "BRK-{}", "queue.breaks"),
}


@subscribe(
    "console.notifier",
    "exception.opened", "exception.repeated", "exception.assigned", "exception.snoozed",
    "exception.released", "exception.resolved", "exception.dismissed", "exception.reopened",
    "dead_letter.parked", "approval.requested", "approval.approved", "approval.rejected",
    "batch.started", "batch.paused", "batch.resumed", "batch.cancelled", "batch.finished",
    "connection.paused", "connection.draining", "connection.resumed",
    "connection.circuit_opened", "connection.circuit_closed",
    "break.opened", "break.corrected", "break.assigned", "break.written_off",
    "break.write_off_refused",
    "run.started", "run.completed", "step.succeeded", "step.failed",
    "posting.confirmed", "posting.rejected", "posting.parked", "posting.dead",
    "order.created", "order.booked", "invoice.created", "amendment.created",
)  # fmt: skip
def tell_pages(events: list[Event], _: dt.datetime) -> None:
    """Send each group one message for all events of this page, once they are read for good."""
    groups: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for event in events:
        for topics, (kind, number, rev) in changes_of(event):
            for group in telling_groups(topics, event.legal_entity_id):
                known = groups[group].get((kind, number), 0)
                groups[group][kind, number] = max(rev, known)
    messages = {
        group: [(kind, number, rev) for (kind, number), rev in found.items()][:MOST_CHANGES]
        for group, found in groups.items()
    }
    transaction.on_commit(lambda: _send(messages), robust=True)


def changes_of(event: Event) -> Iterator[tuple[list[str], Change]]:
    """Which records an event changed, each with the topics that hear of it."""
    about = event.type.partition(".")[0]
    if about in _NUMBERED and event.data.get("number"):
        kind, form, queue = _NUMBERED[about]
        number = form.format(event.data["number"])
        topics = [queue, f"{kind}.{number}"] if kind in ("exception", "batch") else [queue]
        yield topics, (kind, number, event.aggregate_version)
    elif about == "connection":
        code = str(event.data.get("code", ""))
        yield ["queue.connections"], ("connection", code, event.aggregate_version)
    elif about in ("run", "step", "posting"):
        run = str(event.aggregate_id if about == "run" else event.data.get("run_id") or "")
        if run:
            yield ["queue.runs", f"run.{run}"], ("run", run, event.id)
    if event.journey_id:
        journey = str(event.journey_id)
        yield ["journeys", f"journey.{journey}"], ("journey", journey, event.id)


def _send(messages: Messages) -> None:
    layer = get_channel_layer()
    global _silent_until
    if layer is None or time.monotonic() < _silent_until:
        return
    try:
        async_to_sync(_send_all)(layer, messages)
    except (RedisError, OSError, TimeoutError) as error:
        # Pages look by themselves every half minute; nothing is lost.
        _silent_until = time.monotonic() + SILENCE
        logger.warning("open pages were not told of %s changes: %s", len(messages), error)


async def _send_all(layer: Any, messages: Messages) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await _send_each(layer, messages)


async def _send_each(layer: Any, messages: Messages) -> None:
    for group in await heard(layer, list(messages)):
        await layer.group_send(group, {"type": "live.changes", "changes": messages[group]})


async def heard(layer: Any, groups: list[str]) -> list[str]:
    """Those groups that a page listens to. Most records are on nobody's screen: asking for all of
    them is one round trip, where telling each would be two."""
    if not isinstance(layer, RedisChannelLayer):
        return groups
    pipe = layer.connection(0).pipeline(transaction=False)  # one server (q2c/broker.py)
    for group in groups:
        pipe.exists(f"{layer.prefix}:group:{group}")
    found = await pipe.execute()
    return [group for group, there in zip(groups, found, strict=True) if there]
