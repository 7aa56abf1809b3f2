"""The sweeper, the schedule and the notifier's pulse in one loop over PostgreSQL.

It only rings bells: what is due is a row, so two schedulers are safe and a dead one loses nothing.
"""

import datetime as dt
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections, connection

from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.events.selectors import has_unread, has_unsealed
from apps.ingestion.selectors import due_readers, has_due, has_unsplit
from apps.jobs.services import beat, claim_slot
from apps.postings.selectors import due_lanes
from apps.workflows.selectors import has_due_runs

logger = logging.getLogger(__name__)

PULSE = 0.2  # seconds between looks at what is due
QUIET = dt.timedelta(seconds=1.5)  # a bell is rung again only after this, while work stays due

# name of the task → seconds between its slots
SCHEDULE = {
    "ingestion.expire": 10,
    "workflows.expire": 10,
    "exceptions.wake_snoozed": 30,
    "monitoring.rebuild": 5,
    "postings.report_unsettled": 30,
    "resolutions.sweep_batches": 10,
    "approvals.expire": 60,
    "reconciliation.review": 60,
    "events.ensure_partitions": 3600,
}


class Command(BaseCommand):
    help = "Ring the bells of due work, claim schedule slots, and say that the hub is alive."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ringer = Ringer(f"scheduler:{socket.gethostname()}:{os.getpid()}")
        while not stop.wait(PULSE):
            try:
                ringer.pulse(utc_now())
            except OperationalError as error:
                logger.warning("database not reachable, trying again: %s", error)
                close_old_connections()
                connection.close()


class Ringer:
    """One look at what is due, and the memory of which bells were rung a moment ago."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rung: dict[tuple[str, ...], dt.datetime] = {}

    def pulse(self, now: dt.datetime) -> None:
        """Ring for everything that is due at ``now`` (UTC)."""
        self._ring_if(has_unsplit, "ingestion.split", now)
        self._ring_if(lambda: has_due(now), "ingestion.process", now)
        self._ring_if(lambda: has_due_runs(now), "workflows.advance", now)
        self._ring_if(has_unread, "events.dispatch", now)
        self._ring_if(has_unsealed, "events.seal", now)
        for connection_id in due_lanes():
            self._ring(("postings.run_lane", connection_id), now, "lanes")
        for connection_id in due_readers(now):
            self._ring(("ingestion.read", connection_id), now, "lanes")
        self._claim_slots(now)

    def _ring_if(self, is_due: Callable[[], bool], task: str, now: dt.datetime) -> None:
        if (
            now - self.rung.get((task,), dt.datetime.min.replace(tzinfo=dt.UTC)) >= QUIET
            and is_due()
        ):
            self._ring((task,), now)

    def _ring(self, bell: tuple[str, ...], now: dt.datetime, queue: str = "default") -> None:
        last = self.rung.get(bell)
        if last is None or now - last >= QUIET:
            self.rung[bell] = now
            enqueue(*bell, queue=queue)

    def _claim_slots(self, now: dt.datetime) -> None:
        for task, seconds in SCHEDULE.items():
            slot = dt.datetime.fromtimestamp(now.timestamp() // seconds * seconds, dt.UTC)
            if self.rung.get(("slot", task)) != slot:
                self.rung["slot", task] = slot
                if claim_slot(task, slot, owner=self.name):
                    enqueue(task)
        if self.rung.get(("beat",), now - QUIET * 4) <= now - QUIET * 3:
            self.rung["beat",] = now
            beat(self.name, "scheduler", now=now)
            self._refresh_snapshots(now)

    def _refresh_snapshots(self, now: dt.datetime) -> None:
        seconds = 60
        slot = dt.datetime.fromtimestamp(now.timestamp() // seconds * seconds, dt.UTC)
        if self.rung.get(("slot", "snapshots")) == slot:
            return
        self.rung["slot", "snapshots"] = slot
        if claim_slot("snapshots.refresh", slot, owner=self.name):
            for pk in Connection.objects.filter(state="active").values_list("id", flat=True):
                enqueue("snapshots.refresh", str(pk), queue="lanes")
