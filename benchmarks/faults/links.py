"""Faults between the hub and the platforms: sick links, and platforms that misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.faults.company import HUB_AGENT
from benchmarks.faults.conductor import Scene, Strike
from benchmarks.faults.stack import VENDORS
from scenario.platforms import Platform

# Kinds of the platform family that hit a few calls; the others last some seconds for all calls.
FEW_CALLS = {
    "apply_then_timeout",
    "apply_then_500",
    "cut_body",
    "reuse_id",
    "other_tenant",
    "html",
}
PATIENCE = 30.0  # how long a counted fault waits for calls to hit
POISONED = 3  # quotes on which the CRM fails for good
# What a platform fault may strike, by how often: (platform, method, paths)
WRITES: list[tuple[str, str, str]] = [
    ("stripe", "POST", "/v1/(customers|subscriptions)"),
    ("stripe", "POST", "/v1/subscriptions"),
    ("netsuite", "POST", "/record/v1/"),
    ("netsuite", "POST", "/record/v1/(invoice|journalEntry)"),
    ("provisioning", "POST", "/events"),
    ("salesforce", "PATCH", "/sobjects/"),
]
# What is read back of these shows whose they are: a mix-up is seen, and people decide.
DOCUMENTS = ("netsuite", "POST", "/record/v1/(invoice|journalEntry)")
TOXICS: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 2.0, "jitter": 1.5, "direction": "both"},
    "reset": {"bytes": 150},
    "blackhole": {"direction": "both"},
    "bandwidth": {"bytes_per_second": 1024},
    "limit": {"bytes": 300},
    "refuse": {},
    "slicer": {"bytes": 40, "seconds": 0.005, "direction": "both"},
    "slow_close": {"seconds": 3.0, "direction": "both"},
}


def sick_link(scene: Scene) -> Iterator[float]:
    """One toxic on one link for a few seconds, on all connections or on two of three; it begins
    when something passes the link, and is put on all when it hit none."""
    link, kind = scene.what["link"], scene.what["kind"]
    before, waited = _passed(scene, link), 0.0
    while waited < PATIENCE and _passed(scene, link) == before:
        yield 0.2
        waited += 0.2
    for probability in (scene.chance.choice([1.0, 0.66]), 1.0):
        scene.stack.proxy(do="put", link=link, kind=kind, probability=probability, **TOXICS[kind])
        yield scene.chance.uniform(3, 8)
        hits = scene.stack.proxy(do="clear", link=link)["hits"]
        scene.notes.update(probability=probability, hits=hits)
        if hits:
            return


def _passed(scene: Scene, link: str) -> int:
    return int(scene.stack.proxy(do="state")[link]["bytes"])


def poison(scene: Scene) -> Iterator[float]:
    """The CRM fails on the write-back of the next three quotes, for good: a message that dies
    while all others of its platform live. It ends when people settle what waits for them."""
    scene.notes["vendor"] = "salesforce"
    scene.poisons.extend([scene.what["fault"]] * POISONED)
    waited = 0.0
    while waited < PATIENCE and scene.poisons:
        yield 0.3
        waited += 0.3
    scene.notes["poisoned"] = max(0, POISONED - len(scene.poisons))


def end_platform_faults() -> None:
    """Every platform is well again."""
    for vendor in VENDORS:
        Platform(vendor).call("DELETE", "/_sim/faults")


def ill_platform(scene: Scene) -> Iterator[float]:
    """A fault that the platform itself makes, on the hub's calls alone."""
    kind = scene.what["kind"]
    known = [DOCUMENTS] if scene.what.get("of") == "documents" else WRITES
    vendor, method, paths = scene.chance.choice(known)
    platform = Platform(vendor)
    spec: dict[str, Any] = {
        "kind": kind,
        "agent_regex": HUB_AGENT,
        "seed": scene.chance.randrange(2**31),
    }
    if kind in FEW_CALLS:
        spec.update(method=method, path_regex=paths, count=scene.chance.randint(1, 4))
    elif kind == "rate_limit":
        spec.update(probability=0.7, delay=2)
    elif kind == "lag":
        spec.update(delay=5)
    planted = platform.control("faults", **spec)
    scene.notes.update(vendor=vendor, fault=planted["id"])
    if kind in FEW_CALLS:
        yield from _until_used(platform, planted["id"], scene)
    else:
        yield scene.chance.uniform(3, 6)
    _note_hits(platform, planted["id"], scene)
    platform.call("DELETE", "/_sim/faults", params={"id": planted["id"]})


def _until_used(platform: Platform, fault: str, scene: Scene) -> Iterator[float]:
    waited = 0.0
    while waited < PATIENCE and _note_hits(platform, fault, scene):
        yield 0.4
        waited += 0.4


def _note_hits(platform: Platform, fault: str, scene: Scene) -> bool:
    """Whether the fault is still planted; its hits are noted."""
    for rule in platform.call("GET", "/_sim/faults")["faults"]:
        if rule["id"] == fault:
            scene.notes["hits"] = rule["hits"]
            return True
    scene.notes["hits"] = "all"
    return False


LINK_STRIKES: dict[str, Strike] = dict.fromkeys(TOXICS, sick_link)
_ILLS = (
    "apply_then_timeout", "apply_then_500", "refuse_all", "outage", "rate_limit", "html",
    "cut_body", "lag", "reuse_id", "other_tenant",
)  # fmt: skip
PLATFORM_STRIKES: dict[str, Strike] = {
    "poison-503": poison,
    "poison-500": poison,
    **dict.fromkeys(_ILLS, ill_platform),
}
