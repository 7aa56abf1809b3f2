"""The sweeper, the schedule and the notifier's pulse in one loop over PostgreSQL.

What is due is a row, so two schedulers are safe and a dead one loses nothing. It rings bells; when
nobody answers a queue's bell it does that queue's work itself.
"""

import logging
import os
import signal
import socket
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from apps.api.scheduler.ringer import Ringer
from apps.api.scheduler.standin import StandIn
from apps.core.clock import utc_now
from apps.core.jobs import divert, know_tasks
from apps.core.stopping import stop_soon

logger = logging.getLogger(__name__)

PULSE = 0.2  # seconds between looks at what is due


class Command(BaseCommand):
    help = "Ring the bells of due work, claim schedule slots, and say that the hub is alive."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        know_tasks()
        stand_in = StandIn()
        ringer = Ringer(f"scheduler:{socket.gethostname()}:{os.getpid()}", stand_in)
        divert(ringer.take)
        while not stop.wait(PULSE):
            try:
                ringer.pulse(utc_now())
            except (OperationalError, InterfaceError) as error:
                logger.warning("database not reachable, trying again: %s", error)
                close_old_connections()
                connection.close()
        stop_soon()
        stand_in.stop()
