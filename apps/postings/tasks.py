"""Celery entry points."""

import os
import socket

from celery import shared_task

from apps.postings import services


@shared_task(name="postings.run_lane")
def run_lane(connection_id: str) -> None:
    services.run_lane(connection_id, worker=f"{socket.gethostname()}:{os.getpid()}")
