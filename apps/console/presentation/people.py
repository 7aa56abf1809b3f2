"""Initials and hue of a person or a client, the same on every page."""

HUES = 12


def initials(name: str) -> str:
    """First letters of the first and last word: ``Mara van Quist`` → ``MQ``."""
    words = name.split()
    if not words:
        return "?"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def hue(name: str) -> int:
    """A stable number from 0 to 11; the class ``hue-n`` gives the colour."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(name)) % HUES
