"""Celery entry points."""

from celery import shared_task

from apps.core.clock import utc_now
from apps.workflows import services


@shared_task(name="workflows.advance")
def advance() -> None:
    while services.advance_due(now=utc_now()) or services.compensate_due(now=utc_now()):
        pass


@shared_task(name="workflows.expire")
def expire() -> None:
    services.expire_steps(now=utc_now())
    services.release_held(now=utc_now())
