"""Settings from the environment. A wrong one names the variable and what to do."""

import base64
import binascii
import os
import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def text(name: str, default: str | None = None) -> str:
    """A variable's value. Raises ``ImproperlyConfigured`` when it is unset without default."""
    value = os.environ.get(name, default)
    if value is None or value == "":
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, or start the hub with `make demo`, "
            f"which makes one for this machine."
        )
    return value


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of the allowed words. Raises ``ImproperlyConfigured`` for another."""
    value = os.environ.get(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to one of: {', '.join(allowed)}.")
    return value


def refuse_failpoints(environment: str) -> None:
    """Raises ``ImproperlyConfigured`` when production is told to arm failpoints."""
    if environment == "production" and os.environ.get("Q2C_FAILPOINTS", "0") != "0":
        raise ImproperlyConfigured(
            "Q2C_FAILPOINTS is set, which lets a file make the hub fail on purpose. "
            "Remove it from the environment of a production hub."
        )


def field_key(name: str, default: str | None = None) -> bytes:
    """A url-safe base64 key of 32 bytes, as Fernet takes it."""
    value = text(name, default)
    try:
        raw = base64.urlsafe_b64decode(value)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ImproperlyConfigured(
            f"{name} is not 32 bytes in url-safe base64. Make one with: python -c "
            f'"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        )
    return value.encode()


def number(name: str, default: int, *, least: int) -> int:
    """A whole number. Raises ``ImproperlyConfigured`` for anything else or one below ``least``."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to a number from {least} on.")
    return int(value)


def database(name: str, *, pool: dict[str, Any] | None = None) -> dict[str, Any]:
    """A ``DATABASES`` entry from a PostgreSQL URL or conninfo string.

    ``pool`` (options of psycopg's pool) is for processes that serve many requests at once.
    Raises ``ImproperlyConfigured`` when it cannot be read or names no database.
    """
    value = text(name)
    try:
        parts = conninfo_to_dict(value)
    except ProgrammingError as error:
        raise ImproperlyConfigured(
            f"{name} is not a PostgreSQL address ({str(error).strip()}). "
            f"Write it as postgresql://user:password@host:5432/database."
        ) from error
    if not parts.get("dbname"):
        raise ImproperlyConfigured(f"{name} names no database. Add /name to the end of the URL.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        # A statement that asks for it is prepared, which a connection of a pool lives to repay.
        "OPTIONS": {**parts, "pool": pool, "prepare_threshold": 5} if pool else dict(parts),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }


def broker_url(name: str, default: str) -> str:
    """Where bells are rung: redis://, rediss://, amqp:// or amqps://."""
    value = os.environ.get(name, "") or default
    if not value.startswith(("redis://", "rediss://", "amqp://", "amqps://")):
        raise ImproperlyConfigured(
            f"{name} is {value.split(':', 1)[0]}:…. Write it as redis://:password@host:6379/0 or "
            f"amqp://user:password@host:5672/vhost."
        )
    return value


def proxy_header(name: str) -> tuple[str, str] | None:
    """The header by which a proxy in front says that it was asked by https, as Django takes it
    (``HTTP_X_FORWARDED_PROTO``, ``https``); None when no proxy is declared.

    Raises ``ImproperlyConfigured`` for anything but ``Name: value``.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*)\s*:\s*([A-Za-z0-9]+)", value)
    if found is None:
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Set it to the header and value by which your proxy says https, "
            f"such as X-Forwarded-Proto: https, or leave it out when no proxy is in front."
        )
    return f"HTTP_{found[1].upper().replace('-', '_')}", found[2]


def given(name: str) -> bool:
    """Whether a variable is set to something."""
    return bool(os.environ.get(name))


def redis_url(name: str, *, needed: bool = True) -> str:
    """A redis:// or rediss:// URL; empty when it is neither set nor needed."""
    value = text(name) if needed or given(name) else ""
    if value and not value.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured(
            f"{name} is {value.split(':', 1)[0]}:…. Write it as redis://:password@host:6379/0."
        )
    return value
