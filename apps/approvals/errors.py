"""Refusals of a request or a decision."""


class ApprovalError(Exception):
    """The request or decision is refused; the message says why and who can do it."""
