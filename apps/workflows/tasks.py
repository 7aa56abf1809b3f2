"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.core.stopping import keep_working
from apps.workflows import services


@shared_task(name="workflows.advance")
def advance() -> None:
    """Advance sets until nothing is due; ring again rather than run into the time limit."""
    if keep_working(lambda: services.advance_due(now=utc_now())):
        enqueue("workflows.advance", queue=services.QUEUE)


@shared_task(name="workflows.expire")
def expire() -> None:
    services.expire_steps(now=utc_now())
