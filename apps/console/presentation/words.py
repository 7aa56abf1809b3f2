"""Codes as a person reads them."""


def in_words(code: str) -> str:
    """``write_off`` → ``Write off``."""
    return code.replace("_", " ").replace("-", " ").capitalize()
