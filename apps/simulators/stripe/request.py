"""One call to an endpoint, with its parameters already checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Reader
from apps.simulators.stripe.account import Account
from apps.simulators.stripe.forms import Field


@dataclass(frozen=True, slots=True)
class Request:
    """`form` holds typed parameters; `reader` may see the past, `account.store` never does."""

    account: Account
    reader: Reader
    path: dict[str, str]
    form: dict[str, Any]

    @property
    def id(self) -> str:
        return self.path["id"]


Handler = Callable[[Request], Document]


@dataclass(frozen=True, slots=True)
class Operation:
    """An endpoint: what it accepts and what it does."""

    handler: Handler
    shape: Field

    def __call__(self, request: Request) -> Document:
        return self.handler(request)


def merged_metadata(current: Document, changes: dict[str, str] | None) -> Document:
    """Stripe's metadata rule: keys are added, an empty value removes, "" clears all."""
    if changes is None:
        return current
    if changes == {"": ""}:
        return {}
    merged = {**current, **changes}
    return {key: value for key, value in merged.items() if value != ""}
