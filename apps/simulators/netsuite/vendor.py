"""NetSuite as a vendor: tokens, the account-wide concurrency limit, dispatch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document, loads
from apps.simulators.core.faults import Rule
from apps.simulators.core.kit import Kit
from apps.simulators.core.limits import ConcurrencyGate
from apps.simulators.core.routing import Routes
from apps.simulators.core.vendor import Control
from apps.simulators.core.webhooks import Outbox
from apps.simulators.netsuite.company import Company
from apps.simulators.netsuite.errors import (
    NetSuiteError,
    invalid_login,
    nonexistent,
    too_many,
    unexpected,
)
from apps.simulators.netsuite.jobs import Jobs
from apps.simulators.netsuite.metadata import catalog
from apps.simulators.netsuite.oauth import TOKEN_PATH, Tokens
from apps.simulators.netsuite.records import LIST_TYPE, Records, page_of
from apps.simulators.netsuite.seed import change_period, seed
from apps.simulators.netsuite.suiteql import SuiteQl
from apps.simulators.netsuite.transactions import trial_balance

STANDARD_CONCURRENCY = 5  # standard service tier, account-wide over all interfaces
DEFAULT_LATENCY = 0.01  # seconds; with none, requests would never overlap
REST = "/services/rest"

Handler = Callable[[Call, Document], Reply]


class NetSuiteVendor:
    """One account; a call is one transaction."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        kit.latency = float(kit.setting("latency", DEFAULT_LATENCY))
        self.outbox = Outbox(kit.store, kit.clock, _unsigned)
        self.company = Company(kit)
        self._tokens = Tokens(kit)
        self._jobs = Jobs(kit.store)
        self._suiteql = SuiteQl(kit.store)
        self._gate = ConcurrencyGate(int(kit.setting("concurrency", STANDARD_CONCURRENCY)))
        self.controls: dict[tuple[str, str], Control] = {
            ("POST", "apps"): self._tokens.register,
            ("POST", "tokens/expire"): self._tokens.expire_all,
            ("POST", "limits"): self._set_limits,
            ("GET", "limits"): lambda _: self._limits(),
            ("POST", "seed"): lambda spec: seed(self.company, spec),
            ("POST", "periods"): lambda spec: change_period(self.company, spec),
            ("GET", "trial-balance"): lambda _: {"rows": trial_balance(self.company)},
        }
        self._routes = self._build_routes()

    # Vendor

    def admit(self, call: Call) -> Reply | None:
        if call.path == TOKEN_PATH:
            return None
        return None if self._gate.enter() else too_many().reply()

    def release(self, call: Call) -> None:
        if call.path != TOKEN_PATH:
            self._gate.leave()

    def handle(self, call: Call) -> Reply:
        if call.path == TOKEN_PATH:
            return self._tokens.grant(call)
        try:
            if not self._tokens.is_valid(call.bearer()):
                raise invalid_login()
            return self._answer(call)
        except NetSuiteError as error:
            return error.reply()

    def fault_reply(self, rule: Rule) -> Reply:
        return too_many().reply() if rule.kind == "rate_limit" else unexpected(rule.status).reply()

    def tick(self) -> None:
        """NetSuite does nothing by itself."""

    # Inside

    def _answer(self, call: Call) -> Reply:
        handler, path, known = self._routes.match(call.method, call.path.removeprefix(REST))
        if handler is None:
            if known:
                raise NetSuiteError(
                    "METHOD_NOT_ALLOWED", f"{call.method} is not allowed here.", status=405
                )
            raise nonexistent()
        if call.method == "GET" or "respond-async" not in call.headers.get("prefer", ""):
            with self.kit.store.unit():
                return handler(call, path)
        return self._answer_later(call, handler, path)

    def _answer_later(self, call: Call, handler: Handler, path: Document) -> Reply:
        if "forget_idempotency" not in call.faults:
            conflict = self._jobs.duplicate(call)
            if conflict is not None:
                return conflict
        try:
            with self.kit.store.unit():
                result = handler(call, path)
        except NetSuiteError as error:
            result = error.reply()
        return self._jobs.start(call, result)

    def _build_routes(self) -> Routes[Handler]:
        records, jobs = Records(self.company), self._jobs
        base = "/record/v1/{kind}"
        rows: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/query/v1/suiteql", self._query),
            ("GET", "/record/v1/metadata-catalog/{kind}", lambda _, path: catalog(path["kind"])),
            ("GET", "/async/v1/job/{id}", jobs.job),
            ("GET", "/async/v1/job/{id}/task/1", jobs.task),
            ("GET", "/async/v1/job/{id}/task/1/result", jobs.result),
            ("GET", base, records.list_records),
            ("POST", base, records.create),
            ("GET", f"{base}/{{id}}", records.retrieve),
            ("PATCH", f"{base}/{{id}}", records.change),
            ("PUT", f"{base}/{{id}}", records.upsert),
            ("DELETE", f"{base}/{{id}}", records.delete),
            ("POST", f"{base}/{{id}}/!transform/{{target}}", records.transform),
            ("GET", f"{base}/{{id}}/{{sublist}}", records.sublist),
        )
        routes: Routes[Handler] = Routes()
        for method, path, handler in rows:
            routes.add(method, path, handler)
        return routes

    def _query(self, call: Call, _: Document) -> Reply:
        if "transient" not in call.headers.get("prefer", ""):
            raise NetSuiteError(
                "INVALID_HEADER", "The required header 'Prefer: transient' is missing."
            )
        try:
            text = str(loads(call.body)["q"])
        except (ValueError, KeyError, TypeError):
            raise NetSuiteError("INVALID_CONTENT", 'The body must be {"q": "SELECT …"}.') from None
        limit, offset = page_of(call.parameters())
        rows, total = self._suiteql.run(text, limit, offset, call.faults.lag)
        body = {
            "links": [{"rel": "self", "href": f"{call.base_url}{call.path}"}],
            "count": len(rows),
            "hasMore": offset + limit < total,
            "items": rows,
            "offset": offset,
            "totalResults": total,
        }
        return Reply(200, body, content_type=LIST_TYPE)

    def _set_limits(self, spec: Document) -> Document:
        """{"concurrency": n}"""
        self._gate.limit = int(spec["concurrency"])
        self.kit.set("concurrency", self._gate.limit)
        return self._limits()

    def _limits(self) -> Document:
        gate = self._gate
        return {"concurrency": gate.limit, "highest": gate.highest, "refused": gate.refused}


def _unsigned(_endpoint: Document, _id: str, _body: bytes, _now: datetime) -> dict[str, str]:
    return {}
