"""Who listens to what. Filled when the apps load; read by the dispatcher."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from apps.events.models import Event

Handler = Callable[[list[Event], dt.datetime], None]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A named reader of some event types; it takes lists and runs in the cursor's transaction."""

    name: str
    types: frozenset[str]
    handle: Handler


_subscribers: dict[str, Subscriber] = {}


def subscribe(name: str, *types: str) -> Callable[[Handler], Handler]:
    """Register a handler under a cursor name. Raises ``ValueError`` for a name used twice."""

    def register(handler: Handler) -> Handler:
        known = _subscribers.get(name)
        if known is not None and known.handle.__qualname__ != handler.__qualname__:
            raise ValueError(f"two subscribers are named {name}")
        _subscribers[name] = Subscriber(name, frozenset(types), handler)
        return handler

    return register


def all_subscribers() -> tuple[Subscriber, ...]:
    """Every subscriber, by name."""
    return tuple(_subscribers[name] for name in sorted(_subscribers))
