"""Outgoing webhooks: signed at each attempt, retried, and unreliable when asked to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import httpx

from apps.simulators.core.clock import Clock
from apps.simulators.core.codec import Document
from apps.simulators.core.store import Change, Store

ENDPOINT = "_endpoint"
DELIVERY = "_delivery"

# A day of a real vendor's patience in a few minutes; the last entry repeats.
RETRY_DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
MAX_ATTEMPTS = 40
IDLE_FLUSH_SECONDS = 0.3
SEND_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Message:
    """One notification for every interested endpoint; `id` is what receivers de-duplicate."""

    id: str
    topic: str
    body: str
    content_type: str = "application/json"


@dataclass(slots=True)
class Policy:
    """How unreliable the delivery is."""

    duplicate: int = 0  # each message this many times more
    shuffle_window: int = 0  # collect this many, then send in random order
    hold: bool = False  # send nothing until released
    drop_probability: float = 0.0  # lost for good (only polling or resend finds it)
    concurrency: int = 4
    seed: int | None = None


Signer = Callable[[Document, str, bytes, datetime], dict[str, str]]
Verdict = Callable[[int, bytes], bool]


def accepts_2xx(status: int, _body: bytes) -> bool:
    return 200 <= status < 300


@dataclass(slots=True)
class Outbox:
    """Deliveries are documents, so they survive a restart; sending is a background task.

    `sign` receives endpoint, message id, body and the attempt's time and returns headers.
    """

    store: Store
    clock: Clock
    sign: Signer
    accepted: Verdict = accepts_2xx
    policy: Policy = field(default_factory=Policy)
    _waiting: list[str] = field(default_factory=list)
    _random: Random = field(default_factory=Random)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.store.on_commit(self._collect)
        self._recover()

    # Configuration

    def set_policy(self, changes: dict[str, Any]) -> Policy:
        """Change some of the policy's fields. Raises TypeError for an unknown name."""
        current = {name: getattr(self.policy, name) for name in Policy.__slots__}
        self.policy = Policy(**{**current, **changes})
        self._random = Random(self.policy.seed)
        self._bell.set()
        return self.policy

    def add_endpoint(self, endpoint: Document) -> Document:
        """Register a receiver: id, url, secret, and optionally the topics it wants.

        Raises ValueError when nothing can be signed with the secret.
        """
        self.sign(endpoint, "probe", b"", self.clock.now())
        return self.store.put(ENDPOINT, str(endpoint["id"]), endpoint)

    # Sending

    def publish(self, message: Message) -> int:
        """Owe `message` to every endpoint that wants its topic; returns how many do."""
        endpoints = [e for e in self.store.all(ENDPOINT) if _wants(e, message.topic)]
        for endpoint in endpoints:
            self._owe(message, str(endpoint["id"]))
        return len(endpoints)

    def _owe(self, message: Message, endpoint_id: str) -> None:
        key = f"dlv_{self.store.next_number('delivery')}"
        self.store.put(
            DELIVERY,
            key,
            {
                "id": key,
                "message": message.id,
                "endpoint": endpoint_id,
                "topic": message.topic,
                "body": message.body,
                "content_type": message.content_type,
                "state": "pending",
                "attempts": 0,
                "status": None,
            },
        )

    def resend(self, message_id: str) -> int:
        """Send again what was once sent under this message or delivery id."""
        chosen = [d for d in self.store.all(DELIVERY) if message_id in (d["message"], d["id"])]
        for delivery in chosen:
            self.store.put(DELIVERY, delivery["id"], {**delivery, "state": "pending"})
        return len(chosen)

    def release(self) -> int:
        """End a hold; returns how many deliveries were waiting."""
        self.policy.hold = False
        self._bell.set()
        return len(self._waiting)

    def summary(self) -> dict[str, int]:
        states: dict[str, int] = {}
        for delivery in self.store.all(DELIVERY):
            states[delivery["state"]] = states.get(delivery["state"], 0) + 1
        return states

    async def run(self) -> None:
        """Send what is owed until cancelled."""
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
        async with httpx.AsyncClient(timeout=SEND_TIMEOUT_SECONDS, limits=limits) as client:
            while True:
                await self._wait_for_batch()
                gate = asyncio.Semaphore(self.policy.concurrency)
                for key in self._take_batch():
                    await gate.acquire()
                    self._start(self._send(client, key), gate)

    def _start(self, sending: Any, gate: asyncio.Semaphore) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: gate.release())

    async def _wait_for_batch(self) -> None:
        """Wait until there is something to send and no reason to wait for more."""
        while True:
            self._bell.clear()
            if self._waiting and not self.policy.hold:
                if len(self._waiting) >= self.policy.shuffle_window:
                    return
                if not await self._rang_within(IDLE_FLUSH_SECONDS):
                    return
                continue
            await self._bell.wait()

    async def _rang_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _take_batch(self) -> list[str]:
        batch, self._waiting = self._waiting, []
        batch = batch * (1 + self.policy.duplicate)
        if self.policy.shuffle_window > 1:
            self._random.shuffle(batch)
        return batch

    async def _send(self, client: httpx.AsyncClient, key: str) -> None:
        delivery = self.store.get(DELIVERY, key)
        endpoint = self.store.get(ENDPOINT, delivery["endpoint"]) if delivery else None
        if delivery is None or endpoint is None:
            return
        if self._random.random() < self.policy.drop_probability:
            self.store.put(DELIVERY, key, {**delivery, "state": "dropped"})
            return
        status, accepted = await self._attempt(client, endpoint, delivery)
        self._finish(key, status, accepted=accepted)

    async def _attempt(
        self, client: httpx.AsyncClient, endpoint: Document, delivery: Document
    ) -> tuple[int | None, bool]:
        body = delivery["body"].encode()
        headers = self.sign(endpoint, delivery["message"], body, self.clock.now())
        headers["content-type"] = delivery["content_type"]
        try:
            answer = await client.post(endpoint["url"], content=body, headers=headers)
        except (httpx.HTTPError, OSError, AttributeError):
            # anyio fails with AttributeError when the peer resets while it still connects.
            return None, False
        return answer.status_code, self.accepted(answer.status_code, answer.content)

    def _finish(self, key: str, status: int | None, *, accepted: bool) -> None:
        delivery = self.store.get(DELIVERY, key)
        if delivery is None:  # the simulator was reset meanwhile
            return
        attempts = int(delivery["attempts"]) + 1
        over = status == 410 or attempts >= MAX_ATTEMPTS
        state = "delivered" if accepted else "failed" if over else "retrying"
        self.store.put(
            DELIVERY, key, {**delivery, "state": state, "attempts": attempts, "status": status}
        )
        if state == "retrying":
            delay = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]
            asyncio.get_running_loop().call_later(delay, self._requeue, [key])

    # What is owed

    def _collect(self, changes: list[Change]) -> None:
        owed = [
            c.key
            for c in changes
            if c.kind == DELIVERY and c.after and c.after["state"] == "pending"
        ]
        if owed:
            self._requeue(owed)

    def _requeue(self, keys: Iterable[str]) -> None:
        self._waiting.extend(keys)
        self._bell.set()

    def _recover(self) -> None:
        owed = (d for d in self.store.all(DELIVERY) if d["state"] in ("pending", "retrying"))
        self._requeue(d["id"] for d in owed)


def _wants(endpoint: Document, topic: str) -> bool:
    wanted = endpoint.get("events") or ["*"]
    return not endpoint.get("disabled") and ("*" in wanted or topic in wanted)
