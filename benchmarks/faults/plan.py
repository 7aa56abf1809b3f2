"""Tiers, the mix of faults, and the schedule that a seed makes of them. Pure: no clock, no I/O."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Tier:
    """How much a run is. A chunk is one fresh stack with its share of both.

    ``at_once`` faults meet: two or three where time is short, one where a recovery time shall
    belong to one kind of fault alone.
    """

    name: str
    transactions: int
    faults: int
    chunks: int
    at_once: int

    def share(self) -> tuple[int, int]:
        """Transactions and faults of one chunk."""
        return self.transactions // self.chunks, self.faults // self.chunks


TIERS = {
    "ci": Tier("ci", 200, 20, 1, 3),
    "milestone": Tier("milestone", 2_000, 100, 2, 1),
    "release": Tier("release", 10_000, 500, 10, 2),
}

# Family → how many of the release tier's 500 faults are of it.
FAMILIES: dict[str, int] = {
    "failpoint": 120,
    "process-kill": 40,
    "process-stop": 30,
    "database": 30,
    "broker": 40,
    "link": 80,
    "platform": 100,
    "inbound": 40,
    "clock": 10,
    "partial-write": 10,
}
RELEASE_FAULTS = sum(FAMILIES.values())

# Family → variants with their weights. Each fault names its kind and what it strikes.
VARIANTS: dict[str, list[tuple[dict[str, Any], int]]] = {
    "failpoint": [
        ({"kind": "kill-before-send", "point": "posting.after_intent"}, 12),
        ({"kind": "kill-before-send", "point": "posting.after_sending_before_send"}, 18),
        ({"kind": "kill-before-send", "point": "step.after_claim"}, 5),
        ({"kind": "kill-before-send", "point": "process.after_claim"}, 5),
        ({"kind": "kill-after-send", "point": "posting.after_send"}, 40),
        ({"kind": "kill-before-commit", "point": "posting.after_result_before_commit"}, 20),
        ({"kind": "cut-before-commit", "point": "posting.after_result_before_commit"}, 8),
        ({"kind": "kill-before-commit", "point": "step.before_commit"}, 4),
        ({"kind": "kill-before-commit", "point": "inbox.before_commit"}, 4),
        ({"kind": "kill-while-undoing", "point": "posting.after_send"}, 3),
        ({"kind": "kill-while-undoing", "point": "posting.after_result_before_commit"}, 3),
        ({"kind": "kill-after-commit", "point": "posting.after_commit"}, 4),
        ({"kind": "kill-after-commit", "point": "inbox.after_commit_before_response"}, 4),
    ],
    "process-kill": [
        ({"kind": "kill-worker", "target": "worker"}, 9),
        ({"kind": "kill-lanes", "target": "lanes"}, 9),
        ({"kind": "kill-child", "target": "worker"}, 4),
        ({"kind": "kill-child", "target": "lanes"}, 6),
        ({"kind": "kill-scheduler", "target": "scheduler"}, 6),
        ({"kind": "kill-web", "target": "web"}, 6),
    ],
    "process-stop": [
        ({"kind": "stop-at-point", "point": "posting.after_send"}, 4),
        ({"kind": "stop-at-point", "point": "step.after_claim"}, 2),
        ({"kind": "stop-at-point", "point": "process.after_claim"}, 2),
        ({"kind": "stop-at-point", "point": "posting.after_result_before_commit"}, 2),
        ({"kind": "stop-child", "target": "lanes"}, 4),
        ({"kind": "stop-child", "target": "worker"}, 8),
        ({"kind": "stop-whole", "target": "lanes"}, 4),
        ({"kind": "stop-whole", "target": "scheduler"}, 2),
        ({"kind": "stop-whole", "target": "web"}, 2),
    ],
    "database": [
        ({"kind": "restart-immediate"}, 20),
        ({"kind": "terminate-backends"}, 10),
    ],
    "broker": [
        ({"kind": "kill-losing-data"}, 20),
        ({"kind": "broker-stop"}, 10),
        ({"kind": "flushall"}, 10),
    ],
    "link": [
        ({"kind": toxic, "link": link}, 1)
        for toxic, link in itertools.product(
            ("latency", "reset", "blackhole", "bandwidth", "limit", "refuse", "slicer",
             "slow_close"),
            ("stripe", "netsuite", "salesforce", "provisioning", "hub", "valkey", "database"),
        )
    ],
    "platform": [
        ({"kind": "apply_then_timeout"}, 36),
        ({"kind": "apply_then_500"}, 20),
        ({"kind": "refuse_all"}, 4),
        ({"kind": "outage"}, 4),
        ({"kind": "rate_limit"}, 14),
        ({"kind": "html"}, 2),
        ({"kind": "cut_body"}, 2),
        ({"kind": "lag"}, 2),
        ({"kind": "reuse_id", "of": "documents"}, 2),
        ({"kind": "other_tenant"}, 2),
        ({"kind": "poison-503", "fault": "outage"}, 8),
        ({"kind": "poison-500", "fault": "apply_then_500"}, 4),
    ],
    "inbound": [
        ({"kind": "duplicates"}, 7),
        ({"kind": "reorder"}, 7),
        ({"kind": "malformed"}, 6),
        ({"kind": "bad-signature"}, 5),
        ({"kind": "old-replay"}, 5),
        ({"kind": "too-large"}, 5),
        ({"kind": "slowloris"}, 5),
    ],
    "clock": [
        ({"kind": "clock-ahead", "target": "lanes", "hours": 1}, 3),
        ({"kind": "clock-ahead", "target": "worker", "hours": 1}, 2),
        ({"kind": "clock-behind", "target": "lanes", "hours": -1}, 3),
        ({"kind": "clock-behind", "target": "worker", "hours": -1}, 2),
    ],
    "partial-write": [
        ({"kind": "export-killed"}, 4),
        ({"kind": "broker-disk-full"}, 3),
        ({"kind": "database-disk-full"}, 3),
    ],
}  # fmt: skip


# What a chunk meets before anything else of a family, so that a small run takes every rare path
# too: an outcome looked up and found, and one found absent; a COMMIT of unknown outcome; a run
# that is undone; a message that dies, and one that people decide; a circuit that opens; a worker
# that wakes with a claim that is no longer its own.
FIRST: dict[str, list[dict[str, Any]]] = {
    "failpoint": [
        {"kind": "kill-before-send", "point": "posting.after_sending_before_send"},
        {"kind": "kill-after-send"},
        {"kind": "cut-before-commit"},
        {"kind": "kill-while-undoing"},
    ],
    "process-stop": [{"kind": "stop-at-point", "point": "posting.after_send"}],
    "broker": [{"kind": "kill-losing-data"}],
    "platform": [{"kind": "poison-503"}, {"kind": "reuse_id"}, {"kind": "outage"}],
}


def unknown(kinds: Container[str], points: Container[str]) -> list[str]:
    """What the variants name that nobody can strike: kinds without a strike, places that the
    product does not have. A fault of either would wait in vain, and look survived."""
    named = [what for cards in VARIANTS.values() for what, _ in cards]
    missing = {f"kind {what['kind']}" for what in named if what["kind"] not in kinds}
    places = {what["point"] for what in named if "point" in what}
    return sorted(missing | {f"failpoint {place}" for place in places if place not in points})


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of the schedule: what it is, whom it strikes, and the pause before it."""

    number: int
    family: str
    kind: str
    pause: float  # seconds of quiet after the fault before it has been recovered from
    seed: int
    what: Mapping[str, Any]


def counts_of(faults: int) -> dict[str, int]:
    """How many of each family: the release tier's shares by largest remainder, none left out
    while there are at least as many faults as families."""
    floor = int(faults >= len(FAMILIES))
    exact = {name: faults * share / RELEASE_FAULTS for name, share in FAMILIES.items()}
    counts = {name: max(floor, int(value)) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in itertools.islice(itertools.cycle(by_remainder), max(0, faults - _total(counts))):
        counts[name] += 1
    while _total(counts) > faults:
        spare = [name for name, count in counts.items() if count > floor]
        counts[max(spare, key=lambda name: counts[name] - exact[name])] -= 1
    return counts


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def schedule(faults: int, seed: int, *, database_link: bool = True) -> list[Planned]:
    """The faults of a chunk in order, the same for the same seed."""
    chance = Random(f"faults:{seed}")
    families = [name for name, count in counts_of(faults).items() for _ in range(count)]
    chance.shuffle(families)
    decks = {name: _deck(name, chance, database_link=database_link) for name in FAMILIES}
    planned = []
    for number, family in enumerate(families):
        what = next(decks[family])
        pause = round(chance.uniform(0.3, 1.5), 2)
        planned.append(Planned(number, family, what["kind"], pause, chance.randrange(2**31), what))
    return planned


def meetings(planned: list[Planned], at_once: int) -> list[list[Planned]]:
    """The faults that strike together, in order: of different families, so that nothing is
    struck that is down already."""
    waiting, groups = list(planned), []
    while waiting:
        group = [waiting.pop(0)]
        for other in list(waiting):
            if len(group) < at_once and other.family not in {one.family for one in group}:
                group.append(other)
                waiting.remove(other)
        groups.append(group)
    return groups


def _deck(family: str, chance: Random, *, database_link: bool) -> Iterator[dict[str, Any]]:
    """Variants without end: those that come first, in any order, then each as often as its weight
    says, dealt like cards."""
    cards = [what for what, weight in VARIANTS[family] for _ in range(weight)]
    if not database_link:
        cards = [what for what in cards if what.get("link") != "database"]
    first = [chance.choice([c for c in cards if c.items() >= wanted.items()])
             for wanted in FIRST.get(family, [])]  # fmt: skip
    yield from chance.sample(first, len(first))
    while True:
        yield from chance.sample(cards, len(cards))


def chunk_seed(master: int, number: int) -> int:
    """The seed of a chunk: of its own for each, the same for the same master seed."""
    return Random(f"chunk:{master}:{number}").randrange(2**31)
