"""A job queue that rings in this process, and that can lose, repeat and reorder what it is told.

It stands in for Celery: a message is a task's name and ids, exactly what production sends.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import q2c.celery
from apps.core import jobs

Bell = tuple[str, tuple[str, ...]]
# Pages that people look at, drawn again from what stands: nothing that moves waits for them.
UNHEARD = frozenset({"monitoring.rebuild"})


class Bells:
    """Bells that wait to be answered. Equal ones are one, unless repeating was asked for."""

    def __init__(self) -> None:
        self.waiting: list[Bell] = []
        self.asked: set[Bell] = set()  # rung, whether or not it arrived
        self.rung = 0  # since the last reset
        self.lose: Callable[[int], bool] = lambda _place: False  # which rings never arrive
        self.repeat = False
        self.shuffle: Random | None = None

    def behave(self) -> None:
        """Deliver every message once and in order again."""
        self.rung, self.repeat, self.shuffle = 0, False, None
        self.lose = lambda _place: False

    def ring(self, task: str, *ids: str, queue: str = "default") -> None:
        """Take a message, as the broker does."""
        place, self.rung = self.rung, self.rung + 1
        bell = (task, ids)
        if task in UNHEARD:
            return
        self.asked.add(bell)
        if self.lose(place) or (bell in self.waiting and not self.repeat):
            return
        self.waiting += [bell, bell] if self.repeat else [bell]

    def take(self) -> Bell | None:
        """The next message: the oldest, the dispatcher's last; any when they are shuffled."""
        if not self.waiting:
            return None
        if self.shuffle:
            return self.waiting.pop(self.shuffle.randrange(len(self.waiting)))
        first = min(self.waiting, key=lambda bell: bell[0] == "events.dispatch")
        self.waiting.remove(first)
        return first

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Ring here instead of the broker, whoever imported the doorbell."""
        real = jobs.enqueue
        holders = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("apps.") and getattr(module, "enqueue", None) is real
        ]
        for module in holders:
            vars(module)["enqueue"] = self.ring
        try:
            yield
        finally:
            for module in holders:
                vars(module)["enqueue"] = real


def answer(bell: Bell) -> None:
    """Run a message's task here."""
    task, ids = bell
    q2c.celery.app.tasks[task].run(*ids)
