"""Celery entry points."""

import os
import socket

from celery import shared_task

from apps.connectors.lanes.lease import database_now
from apps.connectors.lanes.run import run_lane
from apps.postings import services


@shared_task(name="postings.run_lane")
def work_lane(connection_id: str) -> None:
    run_lane(connection_id, worker=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(name="postings.report_unsettled")
def report_unsettled() -> None:
    services.report_unsettled(now=database_now())
