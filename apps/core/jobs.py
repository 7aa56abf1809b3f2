"""The doorbell. A message names a task and carries ids; the owed work is a row in PostgreSQL."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def enqueue(task: str, *ids: str, queue: str = "default") -> None:
    """Ring a task by name now. A broker that does not answer is logged: the sweeper will ring."""
    try:
        current_app.send_task(task, args=ids, queue=queue, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        logger.warning("bell for %s not rung: %s", task, error)


class _Bell:
    """A commit hook that knows what it rings, so that one transaction rings it once."""

    def __init__(self, task: str, ids: tuple[str, ...], queue: str) -> None:
        self.key = (task, ids, queue)
        self.__qualname__ = f"ring {task}"  # Django logs it when a robust hook fails

    def __call__(self) -> None:
        gathered = _gathered.get()
        if gathered is None:
            self.ring()
        else:
            gathered.setdefault(self.key, self)

    def ring(self) -> None:
        task, ids, queue = self.key
        enqueue(task, *ids, queue=queue)


_gathered: ContextVar[dict[tuple[str, tuple[str, ...], str], _Bell] | None] = ContextVar(
    "gathered", default=None
)


@contextmanager
def bells_gathered() -> Iterator[None]:
    """Ring what the transactions inside commit at the end, each bell once.

    For transactions that follow one another at once; a bell costs a way to the broker and back.
    """
    gathered: dict[tuple[str, tuple[str, ...], str], _Bell] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        for bell in gathered.values():
            bell.ring()


def enqueue_on_commit(task: str, *ids: str, queue: str = "default") -> None:
    """Ring after the surrounding transaction commits; once per task and ids in a transaction."""
    bell = _Bell(task, ids, queue)
    waiting = transaction.get_connection().run_on_commit
    if not any(isinstance(hook[1], _Bell) and hook[1].key == bell.key for hook in waiting):
        transaction.on_commit(bell, robust=True)
