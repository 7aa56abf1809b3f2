"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.core.stopping import keep_working
from apps.monitoring import services


@shared_task(name="monitoring.rebuild")
def rebuild() -> None:
    if keep_working(lambda: services.rebuild_changed(now=utc_now())):
        enqueue("monitoring.rebuild")
