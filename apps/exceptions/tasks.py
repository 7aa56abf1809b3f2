"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.exceptions import services


@shared_task(name="exceptions.wake_snoozed")
def wake_snoozed() -> None:
    services.wake_snoozed(now=utc_now())
