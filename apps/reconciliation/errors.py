"""Errors of this app."""


class IncompleteReadingError(Exception):
    """A side was not read to the end yet: what is absent there may only be unread."""


class WriteOffError(ValueError):
    """A difference cannot be written off; the message says why."""
