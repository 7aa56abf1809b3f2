"""The provisioning service as a vendor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, dumps
from apps.simulators.core.faults import Rule
from apps.simulators.core.kit import Kit
from apps.simulators.core.ledger import Entry
from apps.simulators.core.routing import Routes
from apps.simulators.core.vendor import Control
from apps.simulators.core.webhooks import Message, Outbox
from apps.simulators.provisioning.events import (
    CONTENT_TYPE,
    SPEC_VERSION,
    EventError,
    outcome_of,
    parse_event,
    subscription_of,
)
from apps.simulators.provisioning.signatures import (
    SignatureError,
    key_bytes,
    signed_headers,
    verify,
)

ENTITLEMENT = "entitlement"
TASK = "_task"
SEEN = "_seen"
REFUSED = "_refused"
CALLBACK = "_callback"
SOURCE = "/provisioning"
DEFAULT_DELAY = 0.5  # seconds from acceptance to the callback
MAX_BODY = 64 * 1024  # what CloudEvents intermediaries must forward

Handler = Callable[[Call, Document], Reply]


class ProvisioningVendor:
    """One entitlement per subscription; work is done shortly after the event is accepted."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        kit.store.index(ENTITLEMENT, "subscription")
        self.outbox = Outbox(kit.store, kit.clock, _sign)
        self.controls: dict[tuple[str, str], Control] = {
            ("POST", "secrets"): self._set_secrets,
            ("POST", "delay"): self._set_delay,
            ("POST", "refuse"): self._refuse_subscription,
        }
        self._routes: Routes[Handler] = Routes()
        self._routes.add("POST", "/events", self._accept)
        self._routes.add("OPTIONS", "/events", self._handshake)
        self._routes.add("GET", "/events", self._feed)
        self._routes.add("GET", "/entitlements", self._list)
        self._routes.add("GET", "/entitlements/{id}", self._retrieve)

    # Vendor

    def admit(self, call: Call) -> Reply | None:
        """This service has no limits of its own; a `rate_limit` fault gives it one."""
        del call
        return None

    def release(self, call: Call) -> None:
        """Nothing is held while a call runs."""

    def handle(self, call: Call) -> Reply:
        handler, path, known = self._routes.match(call.method, call.path)
        if handler is None:
            status = 405 if known else 404
            return _problem(status, "no such resource")
        with self.kit.store.unit():
            return handler(call, path)

    def fault_reply(self, rule: Rule) -> Reply:
        if rule.kind == "rate_limit":
            reply = _problem(429, "too many events, slow down")
            reply.headers["retry-after"] = str(max(1, round(rule.delay)))
            return reply
        return _problem(rule.status, "the service is unavailable")

    def tick(self) -> None:
        """Do the tasks whose time has come and call back."""
        now = self.kit.clock.now()
        due = [t for t in self.kit.store.all(TASK) if datetime.fromisoformat(t["due"]) <= now]
        for task in due:
            with self.kit.store.unit():
                self.kit.store.delete(TASK, task["id"])
                self._perform(task)

    # Public API

    def _accept(self, call: Call, _: Document) -> Reply:
        """202 for a signed event, also when it was seen before; nothing happens twice."""
        if len(call.body) > MAX_BODY:
            return _problem(413, f"an event may have at most {MAX_BODY} bytes")
        if not call.headers.get("content-type", "").startswith(CONTENT_TYPE):
            return _problem(415, f"send {CONTENT_TYPE} (structured mode)")
        secrets = [str(secret) for secret in self.kit.setting("secrets", [])]
        try:
            message_id = verify(secrets, call.headers, self.kit.clock.now(), call.body)
            event = parse_event(call.body)
            outcome, subscription = outcome_of(event), subscription_of(event)
        except SignatureError as refusal:
            return _problem(401, str(refusal))
        except EventError as mistake:
            return _problem(400, str(mistake))
        forgetful = "forget_idempotency" in call.faults
        if self.kit.store.get(SEEN, message_id) is None or forgetful:
            self.kit.store.put(SEEN, message_id, {"event": event["id"]})
            self._schedule(event, outcome, subscription)
        return Reply(202, {"accepted": message_id})

    def _feed(self, call: Call, _: Document) -> Reply:
        """Callbacks after the one named, oldest first, whether they were delivered or not."""
        wanted = call.parameters()
        after, limit = wanted.get("after", ""), int(wanted.get("limit", 100))
        reader = self.kit.store.as_of(call.faults.lag) if call.faults.lag else self.kit.store
        known = [callback["event"] for callback in reader.all(CALLBACK)]
        places = [n for n, event in enumerate(known) if event["id"] == after]
        return Reply(200, {"items": known[places[0] + 1 if places else 0 :][:limit]})

    def _handshake(self, call: Call, _: Document) -> Reply:
        """The abuse protection of the CloudEvents webhook specification."""
        origin = call.headers.get("webhook-request-origin", "*")
        headers = {"webhook-allowed-origin": origin, "webhook-allowed-rate": "*", "allow": "POST"}
        return Reply(200, headers=headers)

    def _list(self, call: Call, _: Document) -> Reply:
        wanted = call.parameters().get("subscription")
        reader = self.kit.store.as_of(call.faults.lag) if call.faults.lag else self.kit.store
        found = (
            reader.find(ENTITLEMENT, "subscription", wanted)
            if wanted
            else list(reader.all(ENTITLEMENT))
        )
        return Reply(200, {"items": found, "count": len(found)})

    def _retrieve(self, _call: Call, path: Document) -> Reply:
        found = self.kit.store.get(ENTITLEMENT, path["id"])
        return Reply(200, found) if found else _problem(404, f"no entitlement {path['id']}")

    # Work

    def _schedule(self, event: Document, outcome: str, subscription: str) -> None:
        delay = float(self.kit.setting("delay", DEFAULT_DELAY))
        key = f"task_{self.kit.store.next_number('task')}"
        due = self.kit.clock.now() + timedelta(seconds=delay)
        self.kit.store.put(
            TASK,
            key,
            {
                "id": key,
                "event": event,
                "outcome": outcome,
                "subscription": subscription,
                "due": due.isoformat(),
            },
        )

    def _perform(self, task: Document) -> None:
        """Change the entitlement, or refuse as told, and owe the callback."""
        subscription = task["subscription"]
        refusal = self.kit.store.get(REFUSED, subscription)
        if refusal is not None:
            self._finish_refusal(refusal)
            self._call_back(task, "failed", {"reason": refusal["reason"]})
            return
        found = self.kit.store.find(ENTITLEMENT, "subscription", subscription)
        before = found[0] if found else None
        if before is None and task["outcome"] != "provisioned":
            self._call_back(task, "failed", {"reason": "there is no such entitlement"})
            return
        entitlement = self._saved(task, before)
        self._record(task, entitlement)
        self._call_back(task, task["outcome"], {"entitlement": entitlement["id"]})

    def _saved(self, task: Document, before: Document | None) -> Document:
        now = self.kit.clock.now().isoformat()
        number = before["id"] if before else f"ent_{self.kit.store.next_number('entitlement')}"
        revoked = task["outcome"] == "revoked"
        data = task["event"].get("data") or {}
        entitlement = {
            "id": number,
            "subscription": task["subscription"],
            "state": "revoked" if revoked else "active",
            "data": (before or {}).get("data", data) if revoked else data,
            "reference": _reference(task["event"]),
            "version": (before["version"] if before else 0) + 1,
            "updated_at": now,
            "created_at": before["created_at"] if before else now,
        }
        return self.kit.store.put(ENTITLEMENT, number, entitlement)

    def _finish_refusal(self, refusal: Document) -> None:
        left = int(refusal["count"]) - 1
        if left <= 0:
            self.kit.store.delete(REFUSED, refusal["subscription"])
        else:
            changed = {**refusal, "count": left}
            self.kit.store.put(REFUSED, refusal["subscription"], changed)

    def _record(self, task: Document, entitlement: Document) -> None:
        data = entitlement["data"] if isinstance(entitlement["data"], dict) else {}
        self.kit.ledger.record(
            Entry(
                action=task["outcome"],
                object=ENTITLEMENT,
                id=entitlement["id"],
                external_ref=entitlement["reference"],
                idempotency_key=task["event"]["id"],
                entity=data.get("legal_entity"),
                detail={
                    "subscription": entitlement["subscription"],
                    "version": entitlement["version"],
                    "data": data,
                },
            )
        )

    def _call_back(self, task: Document, outcome: str, extra: Document) -> None:
        event = task["event"]
        number = self.kit.store.next_number("callback")
        place = self.kit.store.next_number(f"sequence {task['subscription']}")
        body = {
            "specversion": SPEC_VERSION,
            "id": f"prv_{number}",
            "source": SOURCE,
            "type": f"entitlement.{outcome}",
            "subject": task["subscription"],
            "time": self.kit.clock.now().isoformat(),
            "datacontenttype": "application/json",
            "sequence": str(place),
            "sequencetype": "Integer",
            "data": {
                "subscription": task["subscription"],
                "reference": _reference(event),
                "cause": event["id"],
                **extra,
            },
        }
        self.kit.store.put(CALLBACK, body["id"], {"event": body})
        text = dumps(body).decode()
        self.outbox.publish(Message(body["id"], body["type"], text, CONTENT_TYPE))

    # Controls

    def _set_secrets(self, spec: Document) -> Document:
        """{"secrets": ["whsec_…"]}: any of them signs what this service accepts."""
        secrets = [str(secret) for secret in spec["secrets"]]
        for secret in secrets:
            key_bytes(secret)
        self.kit.set("secrets", secrets)
        return {"secrets": len(secrets)}

    def _set_delay(self, spec: Document) -> Document:
        """{"seconds": n} from acceptance to callback."""
        self.kit.set("delay", spec["seconds"])
        return {"seconds": spec["seconds"]}

    def _refuse_subscription(self, spec: Document) -> Document:
        """{"subscription": …, "reason": …, "count"?: n}: answer `failed` n times (default 1)."""
        subscription = str(spec["subscription"])
        refusal: Document = {
            "subscription": subscription,
            "reason": str(spec.get("reason", "capacity exhausted")),
            "count": int(spec.get("count", 1)),
        }
        return self.kit.store.put(REFUSED, subscription, refusal)


def _reference(event: Document) -> str | None:
    """The sender's own reference, from the event's data."""
    data = event.get("data")
    value = data.get("reference") if isinstance(data, dict) else None
    return None if value is None else str(value)


def _problem(status: int, detail: str) -> Reply:
    body = {"status": status, "detail": detail}
    return Reply(status, body, content_type="application/problem+json")


def _sign(endpoint: Document, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    return signed_headers(str(endpoint["secret"]), message_id, now, body)
