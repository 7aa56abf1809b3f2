"""Celery entry points."""

import uuid

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.resolutions import services


@shared_task(name="resolutions.run_batch")
def run_batch(batch_id: str) -> None:
    """One set, then ring again: a batch never holds a worker for long."""
    if services.run_batch(uuid.UUID(batch_id), now=utc_now()):
        enqueue("resolutions.run_batch", batch_id)


@shared_task(name="resolutions.report_set_aside")
def report_set_aside() -> None:
    services.report_set_aside(now=utc_now())


@shared_task(name="resolutions.sweep_batches")
def sweep_batches() -> None:
    """Ring the running batches whose bell was lost."""
    for batch_id in services.running_batches():
        enqueue("resolutions.run_batch", str(batch_id))
