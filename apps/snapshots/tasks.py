"""Celery entry points."""

import os
import socket

from celery import shared_task

from apps.snapshots import services


@shared_task(name="snapshots.refresh")
def refresh(connection_id: str) -> None:
    services.refresh_connection(connection_id, worker=f"{socket.gethostname()}:{os.getpid()}")
