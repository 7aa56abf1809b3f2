"""Workers look for a lost broker every two seconds; celery's own pauses grow to half a minute."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection


class SteadyConnection(Connection):
    """A connection that is looked for at a steady pace."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(*args, **{"interval_step": 0, **kwargs})


class Amqp(AMQP):
    """Celery's messaging over such connections."""

    Connection = SteadyConnection
