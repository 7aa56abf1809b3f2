"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.reconciliation import services


@shared_task(name="reconciliation.work")
def work() -> None:
    services.execute_pending(clock=utc_now)


@shared_task(name="reconciliation.review")
def review() -> None:
    services.review_breaks(now=utc_now())
