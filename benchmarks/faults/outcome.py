"""From the chunks of one run to its figures."""

from __future__ import annotations

import datetime as dt
import platform
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.faults.sometimes import MINIMA, unreached
from benchmarks.report import Figure

# What strikes note of whom they hit: a failpoint's firings, connections and calls, processes,
# messages held back, bytes of an export. Where nothing is counted, who was struck was there.
HIT = ("fired", "hits", "pids", "cut", "backends", "poisoned", "sockets", "held", "bytes")
PACKAGES = ("django", "celery", "kombu", "redis", "psycopg", "django-fsm-2", "httpx", "uvicorn")


def summary(
    chunks: Sequence[Mapping[str, Any]], *, tier: str, seed: int, commit: str
) -> dict[str, Any]:
    """One run in numbers: what broke, how fast it recovered, what it met how often."""
    met: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    made: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for chunk in chunks:
        asked.update(chunk["asked"])
        met.update(chunk["sometimes"])
        broken.update(chunk["broken"])
        made.update(chunk["transactions"])
    faults = [fault for chunk in chunks for fault in chunk["faults"]]
    return {
        "commit": commit,
        "tier": tier,
        "seed": seed,
        "asked": dict(asked),
        "written_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in PACKAGES},
                     **{k: v for chunk in chunks for k, v in chunk["servers"].items()}},
        "transactions": dict(made),
        "faults": len(faults),
        "struck": sum(has_struck(fault["notes"]) for fault in faults),
        "lost": sum(chunk["lost"] for chunk in chunks),
        "duplicate": sum(chunk["duplicate"] for chunk in chunks),
        "unequal_sums": sum(chunk["unequal_sums"] for chunk in chunks),
        "broken": dict(sorted(broken.items())),
        "recovery": recoveries(faults),
        "recovery_p95_s": quantile([f["recovery_s"] for f in faults], 0.95),
        "recovery_max_s": max((f["recovery_s"] for f in faults), default=0.0),
        "plain_p95_s": quantile([f["plain_s"] for f in faults], 0.95),
        "plain_max_s": max((f["plain_s"] for f in faults), default=0.0),
        "sometimes": {name: {"met": met[name], "least": least[tier]}
                      for name, least in MINIMA.items()},
        "unreached": unreached(met, tier),
    }  # fmt: skip


def has_struck(notes: Mapping[str, Any]) -> bool:
    """Whether a fault met anything, by what its strike has noted."""
    return "not_struck" not in notes and all(notes[name] for name in HIT if name in notes)


def recoveries(faults: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each kind of fault: how many, and its recovery times in seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    plain: dict[str, list[float]] = defaultdict(list)
    for fault in faults:
        times[f"{fault['family']}: {fault['kind']}"].append(fault["recovery_s"])
        plain[f"{fault['family']}: {fault['kind']}"].append(fault["plain_s"])
    return {
        kind: {"count": len(found), "times": sorted(found), "p50": quantile(found, 0.5),
               "p95": quantile(found, 0.95), "max": max(found), "plain_max": max(plain[kind])}
        for kind, found in sorted(times.items())
    }  # fmt: skip


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def figures(whole: Mapping[str, Any]) -> list[Figure]:
    """The lines that ``make faults`` ends with."""
    asked, made = whole["asked"], sum(whole["transactions"].values())
    return [
        Figure("faults.transactions", made, "transactions", f">={asked['transactions']}"),
        Figure("faults.struck", whole["struck"], "faults", f">={asked['faults']}"),
        Figure("faults.lost", whole["lost"], "events", "0"),
        Figure("faults.duplicate", whole["duplicate"], "documents", "0"),
        Figure("faults.unequal_sums", whole["unequal_sums"], "sums", "0"),
        Figure("faults.invariants_broken", len(whole["broken"]), "invariants", "0"),
        Figure("faults.recovery_p95_s", whole["recovery_p95_s"], "s", "<=30"),
        Figure("faults.recovery_max_s", whole["recovery_max_s"], "s", "<=60"),
        Figure("faults.sometimes_unreached", len(whole["unreached"]), "counters", "0"),
    ]
