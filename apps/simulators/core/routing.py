"""A small route table: method and path pattern to a handler of the vendor."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., object])

_PARAMETER = re.compile(r"\{(\w+)\}")


class Routes(Generic[Handler]):
    """Patterns such as `/v1/customers/{id}`; the first registered match wins."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Handler]]] = []
        self._methods: dict[str, dict[str, Handler]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        methods = self._methods.setdefault(path, {})
        methods[method] = handler
        if "{" not in path:
            self._exact[path] = methods
        elif len(methods) == 1:
            self._patterns.append((_compile(path), methods))

    def match(self, method: str, path: str) -> tuple[Handler | None, dict[str, str], bool]:
        """Return (handler, path parameters, whether the path itself exists)."""
        methods = self._exact.get(path)
        if methods is not None:
            return methods.get(method), {}, True
        for pattern, candidates in self._patterns:
            found = pattern.match(path)
            if found:
                return candidates.get(method), found.groupdict(), True
        return None, {}, False


def _compile(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)
    names = parts[1::2]
    literals = [re.escape(text) for text in parts[0::2]]
    pattern = literals[0]
    for name, literal in zip(names, literals[1:], strict=True):
        pattern += f"(?P<{name}>[^/]+){literal}"
    return re.compile(f"{pattern}$")
