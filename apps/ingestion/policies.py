"""Pure decisions about inbound work: who is taken up together, and when a row is given up."""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol, TypeVar

MAX_ATTEMPTS = 5
CLAIM_TTL = dt.timedelta(seconds=20)


class TakenUp(Protocol):
    """A row that knows how often a worker took it up."""

    @property
    def attempts(self) -> int: ...


Row = TypeVar("Row", bound=TakenUp)


def together(rows: Sequence[Row]) -> list[Row]:
    """Those of the due rows, oldest first, that may share a transaction.

    Rows that nobody took up before go together. One that was taken up and not finished may be
    what ended its worker, so it goes alone: the others then are not taken up in vain again.
    """
    if rows and rows[0].attempts:
        return [rows[0]]
    return [row for row in rows if not row.attempts]


def is_given_up(attempts: int) -> bool:
    """Whether a row that was taken up this often is left to a person."""
    return attempts >= MAX_ATTEMPTS


def pause_after(attempts: int) -> dt.timedelta:
    """How long a row that failed rests: 2 s, 4 s, 8 s …"""
    return dt.timedelta(seconds=2**attempts)
