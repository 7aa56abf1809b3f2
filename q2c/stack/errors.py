"""What the launcher tells a person when it cannot go on."""

from __future__ import annotations

from signal import Signals


class StackError(Exception):
    """The stack cannot start or go on; the message says why and what to do."""


class Interrupted(BaseException):
    """A signal asked the launcher to stop; not an Exception, so that no handler for errors
    swallows it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(Signals(signum).name)
        self.exit_code = 128 + signum
