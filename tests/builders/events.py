"""Handing one event to the subscribers that want it, as the dispatcher does, and waiting until the
log can be read."""

import time

from django.db import connection

from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.registry import all_subscribers


def deliver(kind, aggregate_type, aggregate_id, now, /, **data):
    """Give an event to the subscribers of resolutions; mappings hear approvals.

    It is the newest stored one of its kind, else one made up of the data.
    """
    stored = Event.objects.filter(type=kind, aggregate_id=aggregate_id).order_by("id").last()
    event = stored or _made_up(kind, aggregate_type, aggregate_id, now, data)
    for subscriber in all_subscribers():
        wanted = subscriber.name.startswith("resolutions.")
        if (wanted or subscriber.name == "mappings.approvals") and kind in subscriber.types:
            subscriber.handle([event], now)


def _made_up(kind, aggregate_type, aggregate_id, now, data):
    actor = system_actor("tests")
    return Event(
        type=kind, aggregate_type=aggregate_type, aggregate_id=aggregate_id, data=data,
        actor_kind=actor.kind, actor_id=actor.id, actor_label=actor.label, occurred_at=now,
    )  # fmt: skip


def wait_until_settled(seconds=60):
    """Until every transaction that was open when this began has ended.

    Events are read below the oldest open transaction of the whole server, and the tests of another
    process share that server: theirs can hold back what ours just wrote.
    """
    deadline = time.monotonic() + seconds
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())")
        (newest,) = cursor.fetchone()
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::text::xid8, pg_sleep(0.02)",
                [newest],
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError(f"a transaction older than {newest} is still open after {seconds} s")
