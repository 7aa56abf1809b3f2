"""A set that fails is halved until the bad item stands alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError

Item = TypeVar("Item")

# The database itself is at fault, not an item: its work is taken again when the claim runs out.
DATABASE_FAULTS = (OperationalError, InterfaceError)


def in_halves(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], None],
    fail: Callable[[Item, Exception], None],
) -> None:
    """Do work, one transaction a call, on a set; ``fail`` takes an item that fails alone."""
    try:
        work(items)
    except Exception as error:  # noqa: BLE001 - one bad item must not stop the others
        if len(items) == 1:
            fail(items[0], error)
            return
        middle = len(items) // 2
        in_halves(items[:middle], work, fail)
        in_halves(items[middle:], work, fail)
