"""Celery as the doorbell: messages carry ids, PostgreSQL holds what is owed (ADR-0002)."""

import os
import sys
from typing import Any

from celery import Celery, signals
from celery.bootsteps import Step
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")

KEPT_SECONDS = 300

app = Celery("q2c", amqp="q2c.reconnect:Amqp", task_cls="q2c.heard:HeardTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()


class RefuseWrongBroker(Step):
    """A worker does not start with settings that would lose or repeat work."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        from q2c.broker import refuse_problems

        try:
            refuse_problems(app.conf)
        except ImproperlyConfigured as problems:
            sys.exit(f"This worker does not start.\n{problems}")


app.steps["worker"].add(RefuseWrongBroker)


@signals.worker_shutting_down.connect
def hand_back(**_: object) -> None:
    """The worker's processes take up nothing new and end what they do within 20 s."""
    from apps.core.stopping import stop_soon

    stop_soon()


@signals.worker_process_init.connect
def keep_connection(**_: object) -> None:
    """A worker's child works on one task at a time and keeps its one connection between them.

    The web process opens one a request instead (``CONN_MAX_AGE`` 0): there many would idle.
    """
    from django.db import connections

    connections.settings["default"]["CONN_MAX_AGE"] = KEPT_SECONDS
