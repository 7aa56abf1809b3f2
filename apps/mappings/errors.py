"""Refusals of a change to a mapping."""


class MappingError(Exception):
    """The change is refused; the message says why and what to do."""
