"""The control API under /_sim/: what tests and the scenario do to a vendor, never our hub."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, dumps, loads
from apps.simulators.core.vendor import Vendor
from apps.simulators.core.webhooks import DELIVERY, ENDPOINT

# What `reset` can spare, by the name used in its "keep" list.
KEEPABLE = {"webhooks": ENDPOINT, "settings": "_setting", "apps": "_app"}


class ControlRoom:
    """Maps (method, path below /_sim/) to the core's controls and the vendor's own."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._kit = vendor.kit
        self._outbox = vendor.outbox
        self._handlers: dict[tuple[str, str], Callable[[Document], Any]] = {
            ("GET", "health"): lambda _: {"status": "ok", "vendor": self._kit.name},
            ("GET", "state"): self._state,
            ("GET", "ledger"): self._ledger,
            ("POST", "reset"): self._reset,
            ("GET", "faults"): lambda _: {"faults": self._kit.faults.describe()},
            ("POST", "faults"): lambda spec: self._kit.faults.add(spec).describe(),
            ("DELETE", "faults"): lambda spec: {"removed": self._kit.faults.clear(spec.get("id"))},
            ("GET", "webhooks"): lambda _: {"endpoints": list(self._kit.store.all(ENDPOINT))},
            ("POST", "webhooks"): self._add_endpoint,
            ("DELETE", "webhooks"): self._remove_endpoint,
            ("GET", "webhooks/deliveries"): self._deliveries,
            ("POST", "webhooks/policy"): lambda spec: asdict(self._outbox.set_policy(spec)),
            ("POST", "webhooks/release"): lambda _: {"released": self._outbox.release()},
            ("POST", "webhooks/resend"): self._resend,
            ("POST", "clock"): self._clock,
            ("POST", "latency"): self._latency,
            **vendor.controls,
        }

    def answer(self, call: Call) -> Reply:
        """Answer one control request; a mistake in it is 400 with a sentence."""
        handler = self._handlers.get((call.method, call.path.removeprefix("/_sim/").strip("/")))
        if handler is None:
            known = sorted(f"{method} /_sim/{path}" for method, path in self._handlers)
            return Reply(404, {"error": "No such control.", "known": known})
        try:
            result = handler({**call.parameters(), **(loads(call.body) if call.body else {})})
        except (ValueError, TypeError, KeyError, re.error) as mistake:
            return Reply(400, {"error": f"{type(mistake).__name__}: {mistake}"})
        return result if isinstance(result, Reply) else Reply(200, result)

    def _state(self, _: Document) -> Document:
        return {**self._kit.state(), "deliveries": self._outbox.summary()}

    def _ledger(self, query: Document) -> Reply:
        lines = self._kit.ledger.lines(int(query.get("after", 0)))
        body = b"".join(dumps(line) + b"\n" for line in lines)
        return Reply(200, body, content_type="application/x-ndjson")

    def _reset(self, spec: Document) -> Document:
        self._kit.reset(frozenset(KEEPABLE[name] for name in spec.get("keep", [])))
        return self._kit.state()

    def _add_endpoint(self, spec: Document) -> Document:
        """Register a receiver; the same address again replaces its secret and topics."""
        if not spec.get("url"):
            raise ValueError("url is required: the address of the webhook receiver")
        known = self._kit.store.find(ENDPOINT, "url", spec["url"])
        key = known[0]["id"] if known else f"endpoint_{self._kit.store.next_number('endpoint')}"
        return self._outbox.add_endpoint({"secret": "", **spec, "id": key})

    def _remove_endpoint(self, spec: Document) -> Document:
        for endpoint in list(self._kit.store.all(ENDPOINT)):
            if spec.get("id") in (None, endpoint["id"]):
                self._kit.store.delete(ENDPOINT, endpoint["id"])
        return {"endpoints": list(self._kit.store.all(ENDPOINT))}

    def _deliveries(self, query: Document) -> Document:
        found = [
            {
                **{key: value for key, value in delivery.items() if key != "body"},
                "sha256": hashlib.sha256(str(delivery["body"]).encode()).hexdigest(),
            }
            for delivery in self._kit.store.all(DELIVERY)
            if query.get("state") in (None, delivery["state"])
        ]
        return {"deliveries": found[-int(query.get("limit", 200)) :]}

    def _resend(self, spec: Document) -> Document:
        resent = self._outbox.resend(str(spec["id"]))
        if not resent:
            raise ValueError(f"nothing was ever sent under {spec['id']}")
        return {"resent": resent}

    def _clock(self, spec: Document) -> Document:
        """{"offset_seconds": n} or {"now": ISO 8601}; an empty body means real time."""
        if "now" in spec:
            self._kit.clock.move_to(datetime.fromisoformat(spec["now"]))
            self._kit.move_clock(self._kit.clock.offset)
        else:
            self._kit.move_clock(timedelta(seconds=float(spec.get("offset_seconds", 0))))
        self._vendor.tick()
        return {"now": self._kit.clock.now().isoformat()}

    def _latency(self, spec: Document) -> Document:
        self._kit.latency = float(spec["seconds"])
        self._kit.set("latency", self._kit.latency)
        return {"seconds": self._kit.latency}
