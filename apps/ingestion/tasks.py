"""Celery entry points."""

import os
import socket

from celery import shared_task

from apps.core.clock import utc_now
from apps.core.jobs import enqueue
from apps.core.stopping import keep_working
from apps.ingestion import services


@shared_task(name="ingestion.split")
def split() -> None:
    if keep_working(lambda: services.split_deliveries(now=utc_now())):
        enqueue("ingestion.split")


@shared_task(name="ingestion.process")
def process() -> None:
    if keep_working(lambda: services.process_due(now=utc_now())):
        enqueue("ingestion.process")


@shared_task(name="ingestion.read")
def read(connection_id: str) -> None:
    services.read_source(connection_id, worker=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(name="ingestion.expire")
def expire() -> None:
    services.wake_known(now=utc_now())
    services.expire_waiting(now=utc_now())
