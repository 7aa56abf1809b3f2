"""Celery entry points."""

import time

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.workflows import services

LONGEST = 30.0  # seconds, well below the task's time limit


@shared_task(name="workflows.advance")
def advance() -> None:
    """Advance sets until nothing is due; ring again rather than run into the time limit."""
    begun = time.monotonic()
    while services.advance_due(now=utc_now()):
        if time.monotonic() - begun > LONGEST:
            enqueue("workflows.advance", queue=services.QUEUE)
            return


@shared_task(name="workflows.expire")
def expire() -> None:
    services.expire_steps(now=utc_now())
