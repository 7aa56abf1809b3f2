"""The doorbell. A message names a task and carries ids; the owed work is a row in PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_app
from django.db import transaction

from apps.core.bells import Bell, BellRinger


def _send(bell: Bell) -> None:
    current_app.send_task(
        bell.task, args=bell.ids, queue=bell.queue, retry=False, ignore_result=True
    )


_ringer = BellRinger(_send)
_diverted: Callable[[Bell], bool] | None = None


def divert(take: Callable[[Bell], bool] | None) -> None:
    """Offer this process's bells to ``take`` first; one that it takes (True) is not rung."""
    global _diverted
    _diverted = take


def enqueue(task: str, *ids: str, queue: str = "default", gap: float = 0.0) -> None:
    """Ring a task by name now, without waiting for the broker. A lost bell costs a delay only."""
    bell = Bell(task, ids, queue, gap)
    if _diverted is None or not _diverted(bell):
        _ringer.ring(bell)


def know_tasks() -> None:
    """Load the tasks of all apps, so that this process can run them."""
    current_app.loader.import_default_modules()


def run_here(bell: Bell) -> None:
    """Do in this process what a worker would do on hearing the bell."""
    current_app.tasks[bell.task](*bell.ids)


def seconds_since_sent() -> float | None:
    """Since the broker last took a bell of this process; None when it never did."""
    return _ringer.seconds_since_sent()


class _OnCommit:
    """A commit hook that knows what it rings, so that one transaction rings it once."""

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.__qualname__ = f"ring {bell.task}"  # Django logs it when a robust hook fails

    def __call__(self) -> None:
        gathered = _gathered.get()
        if gathered is None:
            self.ring()
        else:
            gathered.setdefault(self.bell, self)

    def ring(self) -> None:
        enqueue(self.bell.task, *self.bell.ids, queue=self.bell.queue, gap=self.bell.gap)


_gathered: ContextVar[dict[Bell, _OnCommit] | None] = ContextVar("gathered", default=None)


@contextmanager
def bells_gathered() -> Iterator[None]:
    """Ring what the transactions inside commit at the end, each bell once.

    For transactions that follow one another at once; a bell costs a way to the broker and back.
    """
    gathered: dict[Bell, _OnCommit] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        for bell in gathered.values():
            bell.ring()


def enqueue_on_commit(task: str, *ids: str, queue: str = "default", gap: float = 0.0) -> None:
    """Ring after the surrounding transaction commits; once per task and ids in a transaction."""
    bell = Bell(task, ids, queue, gap)
    waiting = transaction.get_connection().run_on_commit
    if not any(isinstance(hook[1], _OnCommit) and hook[1].bell == bell for hook in waiting):
        transaction.on_commit(_OnCommit(bell), robust=True)
