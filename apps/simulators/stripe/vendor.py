"""Stripe as a vendor: keys, limits, idempotency, dispatch, signed webhooks, renewals."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from datetime import datetime
from decimal import Decimal

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.faults import Rule
from apps.simulators.core.kit import Kit
from apps.simulators.core.limits import TokenBucket
from apps.simulators.core.store import Reader
from apps.simulators.core.vendor import Control
from apps.simulators.core.webhooks import Outbox
from apps.simulators.stripe.account import API_VERSION, Account, new_id
from apps.simulators.stripe.errors import (
    StripeError,
    ValidationError,
    server_error,
    too_many_requests,
)
from apps.simulators.stripe.forms import decode, read
from apps.simulators.stripe.idempotency import IdempotencyKeys, key_of
from apps.simulators.stripe.rendering import expanded, public
from apps.simulators.stripe.request import Operation, Request
from apps.simulators.stripe.routes import build_routes
from apps.simulators.stripe.subscriptions import renew

LIVE_REQUESTS_PER_SECOND = 100.0  # docs.stripe.com/rate-limits
RENEWAL_SCAN_SECONDS = 5.0
INDEXED = (
    ("invoice", "customer"),
    ("invoice", "_subscription"),
    ("invoiceitem", "_subscription"),
    ("invoiceitem", "customer"),
    ("invoice_payment", "invoice"),
    ("credit_note", "invoice"),
    ("subscription", "customer"),
)


class StripeVendor:
    """The account behind the API; one call runs at a time and is one unit of work."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        for kind, field in INDEXED:
            kit.store.index(kind, field)
        self.outbox = Outbox(kit.store, kit.clock, sign)
        self.account = Account(kit, self.outbox)
        self.controls: dict[tuple[str, str], Control] = {
            ("POST", "keys"): self._add_key,
            ("POST", "limits"): self._set_limits,
        }
        self._routes = build_routes()
        self._keys = IdempotencyKeys(kit.store, kit.clock)
        self._bucket = TokenBucket(float(kit.setting("per_second", LIVE_REQUESTS_PER_SECOND)))
        self._scan_at, self._offset = 0.0, kit.clock.offset

    # Vendor

    def admit(self, call: Call) -> Reply | None:
        refusal = None if self._bucket.take() else too_many_requests()
        if refusal is None and "forget_idempotency" not in call.faults:
            refusal = self._keys.claim(call)
        if refusal is None:
            return None
        reply = refusal.reply()
        if refusal.status == 409:
            reply.headers["stripe-should-retry"] = "true"
        return self._finished(reply, new_request_id())

    def release(self, call: Call) -> None:
        self._keys.free(call)

    def handle(self, call: Call) -> Reply:
        request_id = new_request_id()
        try:
            reply = self._answer(call, request_id)
        except StripeError as error:
            reply = error.reply()
        if key_of(call):
            reply.headers["idempotency-key"] = str(key_of(call))
        return self._finished(reply, request_id)

    def fault_reply(self, rule: Rule) -> Reply:
        if rule.kind == "rate_limit":
            reply = too_many_requests().reply()
            reply.headers["retry-after"] = str(max(1, round(rule.delay)))
        else:
            reply = server_error().reply()
            reply.status = rule.status
        return self._finished(reply, new_request_id())

    def tick(self) -> None:
        """Renew what is due, every few seconds and whenever the clock was moved."""
        moved = self.kit.clock.offset != self._offset
        if not moved and time.monotonic() < self._scan_at:
            return
        self._scan_at = time.monotonic() + RENEWAL_SCAN_SECONDS
        self._offset = self.kit.clock.offset
        self.account.request_id = self.account.idempotency_key = None
        for subscription in self.kit.store.all("subscription"):
            current: Document | None = subscription
            while current is not None and current["status"] in ("active", "trialing"):
                with self.kit.store.unit():
                    current = renew(self.account, current)

    # Inside

    def _answer(self, call: Call, request_id: str) -> Reply:
        self._check_key(call)
        self._check_version(call)
        operation, path, known = self._routes.match(call.method, call.path)
        if operation is None:
            raise ValidationError(
                f"Unrecognized request URL ({call.method}: {call.path}). Please see "
                f"https://stripe.com/docs or we can help at https://support.stripe.com/.",
                status=405 if known else 404,
            )
        raw = call.body.decode("utf-8", "replace") if call.body else call.query
        form = read(decode(raw), operation.shape)
        forgetful = "forget_idempotency" in call.faults
        replayed = None if forgetful else self._keys.replay(call)
        if replayed is not None:
            return replayed
        reply = self._run(
            call, operation, Request(self.account, self._reader(call), path, form), request_id
        )
        if not forgetful:
            self._keys.keep(call, reply, request_id)
        return reply

    def _run(self, call: Call, operation: Operation, request: Request, request_id: str) -> Reply:
        """Execute; an error undoes every write but is itself a result that is kept."""
        self.account.request_id, self.account.idempotency_key = request_id, key_of(call)
        try:
            with self.kit.store.unit():
                document = public(operation(request))
            reply = Reply(200, expanded(request.reader, document, _expansions(request)))
        except StripeError as error:
            reply = error.reply()
        if "apply_then_500" in call.faults:
            return server_error().reply()  # a 500 is a kept result like any other
        return reply

    def _reader(self, call: Call) -> Reader:
        reads = call.method == "GET" and call.faults.lag
        return self.kit.store.as_of(call.faults.lag) if reads else self.kit.store

    def _check_key(self, call: Call) -> None:
        key = call.bearer() or _basic_user(call)
        if not key:
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
                status=401,
            )
        known = self.kit.setting("keys", [])
        accepted = key in known if known else key.startswith(("sk_test_", "rk_test_"))
        if not accepted:
            raise StripeError(f"Invalid API Key provided: {_masked(key)}", status=401)

    def _check_version(self, call: Call) -> None:
        version = call.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise StripeError(f"Invalid Stripe API version: {version}")

    def _finished(self, reply: Reply, request_id: str) -> Reply:
        reply.headers |= {"request-id": request_id, "stripe-version": API_VERSION}
        return reply

    def _add_key(self, spec: Document) -> Document:
        """Accept only the named secret keys from now on (default: any sk_test_…)."""
        keys = sorted({*self.kit.setting("keys", []), str(spec["key"])})
        self.kit.set("keys", keys)
        return {"keys": len(keys)}

    def _set_limits(self, spec: Document) -> Document:
        self._bucket = TokenBucket(float(Decimal(str(spec["per_second"]))))
        self.kit.set("per_second", self._bucket.per_second)
        return {"per_second": self._bucket.per_second}


def sign(endpoint: Document, _message: str, body: bytes, now: datetime) -> dict[str, str]:
    """`Stripe-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "t.body">`."""
    moment = int(now.timestamp())
    secret = str(endpoint.get("secret", "")).encode()
    digest = hmac.new(secret, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={moment},v1={digest}", "user-agent": "Stripe/1.0"}


def new_request_id() -> str:
    return "req_" + new_id("event")[-14:]


def _expansions(request: Request) -> list[str]:
    return list(request.form.get("expand") or [])


def _basic_user(call: Call) -> str | None:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _masked(key: str) -> str:
    return key[:8] + "*" * max(0, len(key) - 12) + key[-4:]
