"""How workers get over a lost broker: at a steady pace, and without dying of it."""

import logging
from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

logger = logging.getLogger(__name__)


class SteadyConnection(Connection):
    """A connection that is looked for every two seconds; celery's own pauses grow to 30 s."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(*args, **{"interval_step": 0, **kwargs})

    def _do_close_self(self) -> None:
        # kombu 5.7.0: with a message not yet acknowledged, closing after the server died asks a
        # transport that is gone for its address, and the worker ends. A bell may be lost instead.
        try:
            super()._do_close_self()
        except AttributeError as error:
            logger.warning("the lost connection to the broker was not closed cleanly: %s", error)


class Amqp(AMQP):
    """Celery's messaging over such connections."""

    Connection = SteadyConnection
