"""Salesforce as a vendor: sessions, limits, dispatch, outbound messages."""

from __future__ import annotations

import re
from collections.abc import Callable

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.faults import Rule
from apps.simulators.core.kit import Kit
from apps.simulators.core.routing import Routes
from apps.simulators.core.vendor import Control
from apps.simulators.core.webhooks import Outbox
from apps.simulators.salesforce.composite import Composite
from apps.simulators.salesforce.cpq import CpqTriggers
from apps.simulators.salesforce.errors import (
    SalesforceError,
    limit_exceeded,
    not_found,
    server_error,
    session_invalid,
)
from apps.simulators.salesforce.oauth import Sessions
from apps.simulators.salesforce.org import Org
from apps.simulators.salesforce.outbound import (
    ORGANIZATION_ID,
    Announcements,
    acknowledged,
    soap_headers,
)
from apps.simulators.salesforce.rest import RestResources

DAILY_REQUESTS = 100_000  # Enterprise Edition before licences are added
_DATA = re.compile(r"^/services/data/v(\d+)\.0(/.*)?$")
OLDEST_VERSION, NEWEST_VERSION = 31, 67

Handler = Callable[[Call, Document], Reply]


class SalesforceVendor:
    """One org; a call is one transaction."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.outbox = Outbox(kit.store, kit.clock, soap_headers, acknowledged)
        self._announcements = Announcements(kit, self.outbox)
        self.org = Org(kit, CpqTriggers(self._announcements))
        self._sessions = Sessions(kit)
        self._used = 0
        self.controls: dict[tuple[str, str], Control] = {
            ("GET", "state"): self._state,
            ("POST", "apps"): self._sessions.register,
            ("POST", "tokens/expire"): self._sessions.expire_all,
            ("POST", "limits"): self._set_limits,
            ("POST", "outbound"): self._set_outbound,
        }
        self._routes = self._build_routes()

    # Vendor

    def admit(self, call: Call) -> Reply | None:
        if not call.path.startswith("/services/data/"):
            return None
        if self._used >= int(self.kit.setting("daily_requests", DAILY_REQUESTS)):
            return self._finished(limit_exceeded().reply())
        self._used += 1
        return None

    def release(self, call: Call) -> None:
        """Nothing is held while a call runs."""

    def handle(self, call: Call) -> Reply:
        if call.path == "/services/oauth2/token":
            if call.method != "POST":
                return Reply(
                    400, {"error": "invalid_request", "error_description": "must use POST"}
                )
            return self._sessions.grant(call)
        try:
            user = self._sessions.user_of(call.bearer())
            if user is None:
                raise session_invalid()
            self.org.user = user
            with self.kit.store.unit():
                reply = self._dispatch(call)
        except SalesforceError as error:
            reply = error.reply()
        return self._finished(reply)

    def fault_reply(self, rule: Rule) -> Reply:
        if rule.kind == "rate_limit":
            return self._finished(limit_exceeded().reply())
        return server_error(rule.status)

    def tick(self) -> None:
        self._announcements.send()

    # Inside

    def _dispatch(self, call: Call) -> Reply:
        found = _DATA.match(call.path)
        if found is None or not OLDEST_VERSION <= int(found[1]) <= NEWEST_VERSION:
            raise not_found()
        handler, path, known = self._routes.match(call.method, found[2] or "/")
        if handler is None:
            if known:
                raise SalesforceError(
                    "METHOD_NOT_ALLOWED",
                    f"HTTP Method '{call.method}' not allowed.",
                    status=405,
                )
            raise not_found()
        return handler(call, path)

    def _build_routes(self) -> Routes[Handler]:
        rest = RestResources(self.org)
        composite = Composite(self.org, self.kit.store, self._dispatch)
        routes: Routes[Handler] = Routes()
        record, external = "/sobjects/{object}/{id}", "/sobjects/{object}/{field}/{value}"
        rows: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/query", rest.query),
            ("GET", "/query/{locator}", rest.query_more),
            ("GET", "/limits", self._limits),
            ("POST", "/composite", composite.composite),
            ("POST", "/composite/sobjects", composite.create_many),
            ("PATCH", "/composite/sobjects", composite.update_many),
            ("GET", "/sobjects", rest.describe_all),
            ("GET", "/sobjects/{object}/describe", rest.describe),
            ("POST", "/sobjects/{object}", rest.create),
            ("GET", record, rest.retrieve),
            ("PATCH", record, rest.update),
            ("DELETE", record, rest.delete),
            ("GET", external, rest.retrieve_by),
            ("PATCH", external, rest.upsert),
        )
        for method, path, handler in rows:
            routes.add(method, path, handler)
        return routes

    def _limits(self, _call: Call, _path: Document) -> Reply:
        allowed = int(self.kit.setting("daily_requests", DAILY_REQUESTS))
        left = max(0, allowed - self._used)
        return Reply(200, {"DailyApiRequests": {"Max": allowed, "Remaining": left}})

    def _finished(self, reply: Reply) -> Reply:
        allowed = self.kit.setting("daily_requests", DAILY_REQUESTS)
        reply.headers["sforce-limit-info"] = f"api-usage={self._used}/{allowed}"
        return reply

    def _set_limits(self, spec: Document) -> Document:
        """{"daily_requests": n, "query_batch": n}; the request count starts again."""
        for name in ("daily_requests", "query_batch"):
            if name in spec:
                self.kit.set(name, int(spec[name]))
        self._used = 0
        return {name: self.kit.setting(name) for name in ("daily_requests", "query_batch")}

    def _state(self, _: Document) -> Document:
        """The usual counts, and the id that outbound messages carry."""
        deliveries = self.outbox.summary()
        return {
            **self.kit.state(),
            "deliveries": deliveries,
            "organization_id": ORGANIZATION_ID,
        }

    def _set_outbound(self, spec: Document) -> Document:
        """{"fields": [...]}: which quote fields an outbound message carries."""
        self.kit.set("outbound_fields", [str(name) for name in spec["fields"]])
        return {"fields": self.kit.setting("outbound_fields")}
