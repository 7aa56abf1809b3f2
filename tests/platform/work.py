"""Work for the hub's processes: events that every subscriber's cursor has to pass."""

import time
import uuid

from django.db.models import Q

from apps.core.clock import utc_now
from apps.core.principal import Actor
from apps.events.models import Cursor, Event
from apps.events.registry import all_subscribers
from apps.events.services import publish_events
from apps.events.types import NewEvent
from apps.jobs.selectors import ages_by_role
from tests.platform.rig import wait_for

ACTOR = Actor("system", "tests", "Tests")


def owe(count: int = 1, kind: str = "thing.made") -> int:
    """Write events without ringing for them; returns the last one's id."""
    publish_events(
        [
            NewEvent(
                type=kind,
                aggregate_type="thing",
                aggregate_id=uuid.uuid4(),
                data={"code": "netsuite"},
            )
            for _ in range(count)
        ],
        actor=ACTOR,
        now=utc_now(),
    )
    return Event.objects.order_by("-id").values_list("id", flat=True)[0]


def is_done(event_id: int) -> bool:
    """Whether every subscriber has read up to an event."""
    xid = int(Event.objects.values_list("xid", flat=True).get(id=event_id))
    past = Q(xid__gt=xid) | Q(xid=xid, last_id__gte=event_id)
    read = Cursor.objects.filter(past).count()
    return read >= len(all_subscribers())


def is_heard(queue: str = "default", within: float = 6.0) -> bool:
    """Whether a worker of the queue began a task lately."""
    age = ages_by_role().get(queue)
    return age is not None and age.total_seconds() < within


def heard_after(queue: str, begun: float) -> float:
    """Seconds until a worker of the queue began a task after a moment."""
    wait_for(lambda: is_heard(queue, time.monotonic() - begun), 15, queue)
    return time.monotonic() - begun
