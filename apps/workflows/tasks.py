"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.core.stopping import keep_working
from apps.workflows import services


@shared_task(name="workflows.advance")
def advance() -> None:
    """Advance sets until nothing is due; ring again rather than run into the time limit."""

    def step() -> int:
        now = utc_now()
        return services.advance_due(now=now) or services.compensate_due(now=now)

    if keep_working(step):
        enqueue("workflows.advance", queue=services.QUEUE)


@shared_task(name="workflows.expire")
def expire() -> None:
    services.expire_steps(now=utc_now())
    services.release_held(now=utc_now())
