"""What each task does before it begins: the worker's heartbeat, and its clock set right."""

import logging
import time
from typing import Any

from celery import Task
from django.db import DatabaseError, InterfaceError

from apps.core.clock import set_clock
from apps.jobs.services import beat

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds between beats of one process at least

_next_beat = 0.0


class HeardTask(Task[Any, Any]):
    """A worker is alive when its processes begin tasks; nothing else proves that it consumes."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        global _next_beat
        if time.monotonic() < _next_beat:
            return
        queue = str((self.request.delivery_info or {}).get("routing_key"))
        try:
            set_clock(beat(f"{self.request.hostname}:{queue}", queue))
        except (DatabaseError, InterfaceError) as error:
            # The task itself meets the same database and says the same, louder.
            logger.warning("no heartbeat: %s", error)
        else:
            _next_beat = time.monotonic() + EVERY
