"""Credentials at rest: Fernet under Q2C_FIELD_KEY, opened only where a call is made."""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from apps.core.errors import ConfigurationError


def seal(secrets: Mapping[str, Any]) -> bytes:
    """Ciphertext of a connection's secrets."""
    return Fernet(settings.FIELD_KEY).encrypt(json.dumps(dict(secrets)).encode())


def unseal(ciphertext: bytes | memoryview, connection_code: str) -> dict[str, Any]:
    """A connection's secrets; empty when none were stored.

    Raises ``ConfigurationError`` when they were sealed under another key.
    """
    if not ciphertext:
        return {}
    try:
        opened = Fernet(settings.FIELD_KEY).decrypt(bytes(ciphertext))
    except InvalidToken as error:
        raise ConfigurationError(
            "misconfigured",
            f"The credentials of {connection_code} cannot be opened with this Q2C_FIELD_KEY. "
            f"Set the key they were stored under, or enter the credentials again.",
        ) from error
    secrets: dict[str, Any] = json.loads(opened)
    return secrets
