"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.core.stopping import keep_working
from apps.events import services


@shared_task(name="events.dispatch")
def dispatch() -> None:
    services.dispatch_events(now=utc_now())


@shared_task(name="events.hand_over")
def hand_over() -> None:
    """Also rings for what a person asked for whose bell was lost."""
    services.hand_over_asked(now=utc_now())


@shared_task(name="events.seal")
def seal() -> None:
    if keep_working(services.seal_events):
        enqueue("events.seal")


@shared_task(name="events.ensure_partitions")
def ensure_partitions() -> None:
    services.ensure_partitions()
