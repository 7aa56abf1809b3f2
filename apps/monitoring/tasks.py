"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.monitoring import services


@shared_task(name="monitoring.rebuild")
def rebuild() -> None:
    services.rebuild_changed(now=utc_now())
