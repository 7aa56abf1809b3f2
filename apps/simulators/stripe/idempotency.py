"""Idempotency keys as docs.stripe.com/idempotency describes them."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.clock import Clock
from apps.simulators.core.store import Store
from apps.simulators.stripe.errors import StripeError, ValidationError

KIND = "_idempotency"
KEEP_SECONDS = 24 * 3600
MAX_KEY_LENGTH = 255


class IdempotencyKeys:
    """Results by key; a key is in use while its first request runs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._in_use: dict[str, int] = {}

    def claim(self, call: Call) -> StripeError | None:
        """Take the key of a call, or say why it cannot be taken now."""
        key = key_of(call)
        if key is None:
            return None
        if key in self._in_use:
            return StripeError(
                f"There is currently another in-progress request using this Idempotent Key "
                f"(that probably means you submitted twice, and the other request is still "
                f"going through): {key}. Please try again later.",
                status=409,
                code="idempotency_key_in_use",
                kind="idempotency_error",
            )
        self._in_use[key] = id(call)
        return None

    def free(self, call: Call) -> None:
        key = key_of(call)
        if key is not None and self._in_use.get(key) == id(call):
            del self._in_use[key]

    def replay(self, call: Call) -> Reply | None:
        """The kept result of an earlier request; raises when that had other parameters."""
        key = key_of(call)
        if key is None:
            return None
        if len(key) > MAX_KEY_LENGTH:
            raise ValidationError("The idempotency key is longer than 255 characters.")
        kept = self._store.get(KIND, key)
        if kept is None or kept["created"] + KEEP_SECONDS <= self._clock.unix():
            return None
        if kept["fingerprint"] != fingerprint(call):
            raise StripeError(
                f"Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to "
                f"execute a different request.",
                kind="idempotency_error",
            )
        headers = {"original-request": kept["request"], "idempotent-replayed": "true"}
        return Reply(kept["status"], kept["body"], headers)

    def keep(self, call: Call, reply: Reply, request_id: str) -> None:
        key = key_of(call)
        if key is None:
            return
        self._store.put(
            KIND,
            key,
            {
                "fingerprint": fingerprint(call),
                "status": reply.status,
                "body": reply.body().decode(),
                "request": request_id,
                "created": self._clock.unix(),
            },
        )


def key_of(call: Call) -> str | None:
    """The key of a POST; keys on other methods have no effect."""
    return call.headers.get("idempotency-key") if call.method == "POST" else None


def fingerprint(call: Call) -> str:
    fields = sorted(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    text = f"{call.method} {call.path} {fields}"
    return hashlib.sha256(text.encode()).hexdigest()
