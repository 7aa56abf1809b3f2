"""What the answers of a platform say of its limits: seconds, counts and rates, never money."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a vendor's answer says of the account's limits.

    ``reason`` is rate or concurrency when the answer names what was exceeded; ``per_second`` is a
    stated rate; ``remaining`` of ``allowance`` calls are left for the next ``resets_in`` seconds.
    """

    refused: bool = False
    reason: str = ""
    retry_after: float | None = None
    per_second: float | None = None
    allowance: int | None = None
    remaining: int | None = None
    resets_in: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One exchange as the budget sees it: seconds it took, and what it said of limits."""

    seconds: float
    answered: bool
    limits: Limits | None


ReadLimits = Callable[[int, Mapping[str, str], bytes], Limits | None]


def standard_limits(status: int, headers: Mapping[str, str], _body: bytes) -> Limits | None:
    """Retry-After (RFC 9110) and the RateLimit fields of the IETF draft; None without either."""
    refused, remaining = status == 429, _whole(headers, "ratelimit-remaining")
    if not refused and remaining is None:
        return None
    return Limits(
        refused=refused,
        retry_after=retry_after(headers),
        allowance=_whole(headers, "ratelimit-limit"),
        remaining=remaining,
        resets_in=_whole(headers, "ratelimit-reset"),
    )


def retry_after(headers: Mapping[str, str], default: float | None = None) -> float | None:
    """Seconds of a Retry-After header in its delta form."""
    seconds = _whole(headers, "retry-after")
    return default if seconds is None else seconds


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None
