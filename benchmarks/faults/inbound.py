"""Hostile and clumsy senders at the hub's doors. What must be refused and was not is kept."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.faults.conductor import Scene, Strike
from scenario import seed
from scenario.drive import stripe_signature
from scenario.platforms import Platform

SENDERS = ("salesforce", "stripe", "provisioning")
TOO_LARGE = 20 * 1024 * 1024
OLD_SECONDS = 6 * 60


def usual_policy(chance_seed: int) -> None:
    """Networks as they are: every message three times, in shuffled order."""
    for name in SENDERS:
        Platform(name).control(
            "webhooks/policy", duplicate=2, shuffle_window=4, hold=False, seed=chance_seed
        )


def duplicates(scene: Scene) -> Iterator[float]:
    """Every message five times for a while."""
    for name in SENDERS:
        Platform(name).control("webhooks/policy", duplicate=4)
    yield 5.0
    usual_policy(scene.chance.randrange(2**31))


def reorder(scene: Scene) -> Iterator[float]:
    """Hold all messages back, then let them go in random order."""
    for name in SENDERS:
        Platform(name).control("webhooks/policy", hold=True, shuffle_window=50)
    yield scene.chance.uniform(3, 6)
    scene.notes["held"] = 0
    for name in SENDERS:
        released = Platform(name).call("POST", "/_sim/webhooks/release")
        scene.notes["held"] += int(released["released"])
    yield 1.0
    usual_policy(scene.chance.randrange(2**31))


def malformed(scene: Scene) -> Iterator[float]:
    """Properly signed bodies that are no documents: stored, and each made a case."""
    number = scene.chance.randrange(2**31)
    bodies = [
        _event(f"evt_bad{number}a", {"currency": 17, "total": "twelve", "lines": "none"}),
        _event(f"evt_bad{number}b", {"currency": "usd", "total": None, "lines": {"data": [7]}}),
        _event(f"evt_bad{number}c", {"number": "x\u0000y", "lines": {"data": "\u0000"}}),
    ]
    scene.notes["accepted"] = [_post_stripe(body) for body in bodies]
    scene.notes["messages"] = [f"evt_bad{number}{letter}" for letter in "abc"]
    yield 0.5


def bad_signature(scene: Scene) -> Iterator[float]:
    """Forged messages at every door: wrong secret, no signature, another message's signature."""
    body = _event(f"evt_forged{scene.chance.randrange(2**31)}", {"total": 1})
    now = int(time.time())
    attempts = [
        _post_stripe(body, secret="whsec_guessed"),  # noqa: S106 - a wrong one on purpose
        _post_stripe(body, header=""),
        _post_stripe(body, header=stripe_signature(seed.STRIPE_WEBHOOK_SECRET, b"{}", now)),
        _post("provisioning/", body, {"webhook-id": "m", "webhook-timestamp": str(now),
                                      "webhook-signature": "v1,AAAA"}),
        _post("salesforce/guessed-token/", b"<x/>", {"content-type": "text/xml"}),
    ]  # fmt: skip
    _note_refusals(scene, attempts)
    yield 0.3


def old_replay(scene: Scene) -> Iterator[float]:
    """A message signed six minutes ago: what an eavesdropper would send."""
    body = _event(f"evt_old{scene.chance.randrange(2**31)}", {"total": 1})
    _note_refusals(scene, [_post_stripe(body, at=int(time.time()) - OLD_SECONDS)])
    yield 0.3


def too_large(scene: Scene) -> Iterator[float]:
    """20 MB in one body."""
    body = b'{"id": "evt_large", "pad": "' + b"x" * TOO_LARGE + b'"}'
    _note_refusals(scene, [_post_stripe(body)])
    yield 0.5


def slowloris(scene: Scene) -> Iterator[float]:
    """Fifty connections that send one byte now and then, while honest messages must get in."""
    address = urlsplit(scene.stack.environment["HUB_URL"])
    sockets = []
    for _ in range(50):
        with contextlib.suppress(OSError):
            slow = socket.create_connection((str(address.hostname), int(address.port or 80)), 2)
            slow.sendall(b"POST /webhooks/stripe/ HTTP/1.1\r\nHost: localhost\r\n")
            sockets.append(slow)
    waits, number = [], scene.chance.randrange(2**31)
    for turn in range(8):
        for slow in sockets:
            with contextlib.suppress(OSError):
                slow.sendall(b"X")
        begun = time.monotonic()
        status = _post_stripe(_event(f"evt_honest{number}-{turn}", {}, topic="customer.updated"))
        waits.append(round(time.monotonic() - begun, 3) if status == 200 else None)
        yield 0.5
    for slow in sockets:
        slow.close()
    scene.notes.update(sockets=len(sockets), honest_s=waits)


def _note_refusals(scene: Scene, statuses: list[int]) -> None:
    """No answer at all (0) is a refusal too: the door is closed while its process is away."""
    scene.notes["statuses"] = statuses
    scene.notes["accepted_forgeries"] = sum(200 <= status < 300 for status in statuses)


def _event(key: str, document: dict[str, Any], topic: str = "invoice.finalized") -> bytes:
    invoice = {"id": f"in_{key}", "object": "invoice", **document}
    event = {"id": key, "object": "event", "api_version": "2026-10-28.endive",
             "created": int(time.time()), "type": topic, "data": {"object": invoice}}  # fmt: skip
    return json.dumps(event).encode()


def _post_stripe(
    body: bytes, *, secret: str = seed.STRIPE_WEBHOOK_SECRET, at: int | None = None,
    header: str | None = None,
) -> int:  # fmt: skip
    signed = stripe_signature(secret, body, at or int(time.time())) if header is None else header
    return _post("stripe/", body, {"Stripe-Signature": signed} if signed else {})


def _post(path: str, body: bytes, headers: dict[str, str]) -> int:
    """The status; 0 when the door gave no answer."""
    address = f"{os.environ['HUB_URL'].rstrip('/')}/webhooks/{path}"
    try:
        answer = httpx.post(
            address, content=body, headers={"content-type": "application/json", **headers},
            timeout=10,
        )  # fmt: skip
    except httpx.HTTPError:
        return 0
    return answer.status_code


INBOUND_STRIKES: dict[str, Strike] = {
    "duplicates": duplicates,
    "reorder": reorder,
    "malformed": malformed,
    "bad-signature": bad_signature,
    "old-replay": old_replay,
    "too-large": too_large,
    "slowloris": slowloris,
}
