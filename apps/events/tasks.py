"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.events import services


@shared_task(name="events.dispatch")
def dispatch() -> None:
    services.dispatch_events(now=utc_now())


@shared_task(name="events.seal")
def seal() -> None:
    while services.seal_events() > 0:
        pass


@shared_task(name="events.ensure_partitions")
def ensure_partitions() -> None:
    services.ensure_partitions()
