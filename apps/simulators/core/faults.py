"""Faults that a test plants: which requests they hit, how often, with what seed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

# Kinds that decide the whole answer: the first matching rule wins.
ANSWERING = frozenset(
    {
        "outage",  # 503, nothing happened
        "refuse_all",  # 500, nothing happened
        "rate_limit",  # the vendor's own form of "too many requests"
        "html",  # a proxy's HTML page instead of JSON, nothing happened
        "apply_then_timeout",  # it happened, no answer within `delay` seconds
        "apply_then_500",  # it happened, the answer says 500
        "cut_body",  # it happened, the connection breaks within the body
        "reuse_id",  # it happened, the answer names an id that an earlier document has
        "other_tenant",  # it happened, the answer is the one that somebody else got before
    }
)
# Kinds that colour an otherwise normal answer.
COLOURING = frozenset(
    {
        "slow",  # `delay` seconds before the vendor starts to work
        "lag",  # reads see the world as it was `delay` seconds ago
        "forget_idempotency",  # idempotency keys have no effect
    }
)
KINDS = ANSWERING | COLOURING

_DEFAULT_DELAY = {"apply_then_timeout": 60.0, "slow": 1.0, "lag": 5.0, "rate_limit": 1.0}
_DEFAULT_STATUS = {"outage": 503, "refuse_all": 500, "html": 502, "apply_then_500": 500}


class FaultSpecError(ValueError):
    """The control API was asked for a fault that does not exist."""


@dataclass(slots=True)
class Rule:
    """One planted fault. `remaining` None and `until` None mean until it is deleted."""

    id: str
    kind: str
    method: str | None
    path: re.Pattern[str]
    agent: re.Pattern[str]
    remaining: int | None
    until: float | None
    probability: float
    delay: float
    status: int
    random: Random
    hits: int = 0

    def is_over(self) -> bool:
        spent = self.remaining is not None and self.remaining <= 0
        return spent or (self.until is not None and time.monotonic() >= self.until)

    def strikes(self, method: str, path: str, agent: str) -> bool:
        if self.method not in (None, method) or not self.path.search(path):
            return False
        if not self.agent.search(agent):
            return False
        return self.probability >= 1 or self.random.random() < self.probability

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "method": self.method,
            "path_regex": self.path.pattern,
            "agent_regex": self.agent.pattern,
            "remaining": self.remaining,
            "probability": self.probability,
            "delay": self.delay,
            "status": self.status,
            "hits": self.hits,
        }


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that hit one request: at most one answering kind, any colouring ones."""

    rules: Mapping[str, Rule] = field(default_factory=dict)

    def get(self, kind: str) -> Rule | None:
        return self.rules.get(kind)

    def __contains__(self, kind: str) -> bool:
        return kind in self.rules

    @property
    def lag(self) -> float:
        rule = self.rules.get("lag")
        return rule.delay if rule else 0.0


NO_FAULTS = Faults()


class FaultBoard:
    """All planted faults of one simulator."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._ids = count(1)

    def add(self, spec: Mapping[str, Any]) -> Rule:
        """Plant a fault from the control API's JSON. Raises FaultSpecError with advice."""
        kind = str(spec.get("kind", ""))
        if kind not in KINDS:
            raise FaultSpecError(f"kind must be one of {', '.join(sorted(KINDS))}, not {kind!r}")
        seconds = spec.get("seconds")
        method = spec.get("method")
        rule = Rule(
            id=f"fault_{next(self._ids)}",
            kind=kind,
            method=str(method).upper() if method else None,
            path=re.compile(str(spec.get("path_regex") or "")),
            agent=re.compile(str(spec.get("agent_regex") or "")),
            remaining=None if spec.get("count") is None else int(spec["count"]),
            until=None if seconds is None else time.monotonic() + float(seconds),
            probability=float(spec.get("probability", 1)),
            delay=float(spec.get("delay", _DEFAULT_DELAY.get(kind, 0.0))),
            status=int(spec.get("status", _DEFAULT_STATUS.get(kind, 200))),
            random=Random(spec.get("seed")),
        )
        self._rules.append(rule)
        return rule

    def pick(self, method: str, path: str, agent: str = "") -> Faults:
        """The faults for one request; a counted fault is used up by being picked.

        ``agent`` is the caller's User-Agent: a fault may be meant for one program alone.
        """
        if not self._rules:
            return NO_FAULTS
        self._rules = [rule for rule in self._rules if not rule.is_over()]
        picked: dict[str, Rule] = {}
        answered = False
        for rule in self._rules:
            answering = rule.kind in ANSWERING
            if rule.kind in picked or (answering and answered):
                continue
            if rule.strikes(method, path, agent):
                picked[rule.kind] = _used(rule)
                answered = answered or answering
        return Faults(picked)

    def describe(self) -> list[dict[str, Any]]:
        return [rule.describe() for rule in self._rules if not rule.is_over()]

    def clear(self, rule_id: str | None = None) -> int:
        """Remove one fault or all of them; returns how many were removed."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule_id not in (None, rule.id)]
        return before - len(self._rules)


def _used(rule: Rule) -> Rule:
    rule.hits += 1
    if rule.remaining is not None:
        rule.remaining -= 1
    return rule
