"""Refusals that name who may."""


class NotAllowedError(Exception):
    """The principal's role does not allow the action; the message says whose does."""
