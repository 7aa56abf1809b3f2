"""Refusals of what people ask of runs."""


class RunActionError(Exception):
    """The run cannot do this now; the message says why and what can be done instead."""
