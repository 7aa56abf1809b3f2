"""Celery entry points."""

from celery import shared_task

from apps.approvals import services
from apps.core.clock import utc_now


@shared_task(name="approvals.expire")
def expire() -> None:
    services.expire_overdue(now=utc_now())
