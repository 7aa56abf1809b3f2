"""What may go wrong when a person acts on a case."""


class CaseActionError(Exception):
    """An action that this case does not allow now; the message says what to do instead."""
