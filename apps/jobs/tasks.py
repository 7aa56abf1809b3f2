"""Celery entry points."""

from celery import shared_task

from apps.jobs import services


@shared_task(name="jobs.beat")
def beat() -> None:
    """Nothing to do: a worker beats whenever it begins a task, and this gives an idle one some."""


@shared_task(name="jobs.prune")
def prune() -> None:
    services.prune()
