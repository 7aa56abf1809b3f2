"""Celery as the doorbell: messages carry ids, PostgreSQL holds what is owed (ADR-0002)."""

import os

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")

app = Celery("q2c", amqp="q2c.reconnect:Amqp", task_cls="q2c.heard:HeardTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()


@signals.worker_init.connect
def refuse_a_wrong_broker(**_: object) -> None:
    """A worker does not start with settings that would lose or repeat work."""
    from q2c.broker import refuse_problems

    refuse_problems(app.conf)


@signals.worker_shutting_down.connect
def hand_back(**_: object) -> None:
    """The worker's processes take up nothing new and end what they do within 20 s."""
    from apps.core.stopping import stop_soon

    stop_soon()
