"""Celery as the doorbell: messages carry ids, PostgreSQL holds what is owed (ADR-0002)."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")

KEPT_SECONDS = 300

app = Celery("q2c")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()


@worker_process_init.connect
def keep_connection(**_: Any) -> None:
    """A worker's child works on one task at a time and keeps its one connection between them.

    The web process opens one a request instead (``CONN_MAX_AGE`` 0): there many would idle.
    """
    from django.db import connections

    connections.settings["default"]["CONN_MAX_AGE"] = KEPT_SECONDS
