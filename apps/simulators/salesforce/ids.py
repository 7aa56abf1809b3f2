"""Record ids of 18 characters: 15 that matter and 3 that make them case-safe."""

from __future__ import annotations

import string

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECK = string.ascii_uppercase + "012345"
INSTANCE = "Hs0"  # pod and reserved character in every id of this org


def make_id(prefix: str, number: int) -> str:
    """An id from a key prefix of three characters and a running number."""
    body = ""
    for _ in range(15 - len(prefix) - len(INSTANCE)):
        number, digit = divmod(number, 62)
        body = _DIGITS[digit] + body
    return long_id(prefix + INSTANCE + body)


def long_id(key: str) -> str:
    """The 18-character form of a 15-character id; anything else is returned as it is."""
    if len(key) != 15:
        return key
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << i for i, char in enumerate(key[start : start + 5]) if char.isupper())
        suffix += _CHECK[bits]
    return key + suffix
