"""A vendor with a real ledger behind HTTP, and its connector, for tests of the lane."""

import asyncio
import datetime as dt
import json
import uuid
from collections import defaultdict
from decimal import Decimal

import httpx

from apps.connectors import registry, services
from apps.connectors.base import SHOWN, AfterUnknown, Capability, Page, ReadBack, Written
from apps.connectors.errors import broken, error_for
from apps.connectors.http import Request, json_content
from apps.connectors.limits import standard_limits
from apps.connectors.models import Connection
from apps.core.ids import vendor_reference
from apps.events.services import acting
from apps.postings.models import Posting
from tests.builders.stuck import TESTS

MEANT = {
    "entity": "DE01", "currency": "EUR", "net": "100.00", "tax": "19.00", "gross": "119.00",
    "document_date": "2026-11-02", "dimensions": [],
}  # fmt: skip
CAPABILITIES = {
    "key": Capability(AfterUnknown.NATIVE_KEY, ttl=dt.timedelta(hours=1), shows=SHOWN),
    "unique": Capability(AfterUnknown.UNIQUE_REFERENCE, shows=SHOWN),
    "lookup": Capability(
        AfterUnknown.LOOKUP, visibility_lag=dt.timedelta(seconds=30), shows=SHOWN
    ),
    "none": Capability(AfterUnknown.NONE, shows=SHOWN),
}


class Vendor:
    """The vendor's side. ``faults`` maps a call number to what happens to that write:
    apply_then_lose, lose, refuse_503, hang. ``takes`` decides each call before anything else."""

    def __init__(self):
        self.documents: list[dict] = []
        self.keys: dict[str, tuple[bytes, dict]] = {}
        self.calls: list[tuple[str, str]] = []
        self.writes: list[dict] = []
        self.faults: dict[int, str] = {}
        self.changes: dict = {}
        self.unique = True
        self.hidden: set[str] = set()
        self.takes = None
        self.delay = 0.0
        self.out = self.most_out = 0
        self.polled = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.calls.append((request.method, request.url.path))
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            refused = self.takes(request) if self.takes else None
            if refused is not None:
                return refused
            return await self._answer(request)
        finally:
            self.out -= 1

    async def _answer(self, request):
        if request.method == "POST":
            return await self._write(request)
        if "reference" in request.url.params:
            wanted = request.url.params["reference"]
            found = [
                d for d in self.documents
                if d["reference"] == wanted and d["id"] not in self.hidden
            ]  # fmt: skip
            return httpx.Response(200, json=found)
        if request.url.path == "/poll":
            self.polled += 1
            return httpx.Response(200, json=[])
        key = request.url.path.split("/")[-1]
        return httpx.Response(200, json=next(d for d in self.documents if d["id"] == key))

    async def _write(self, request):
        body, key = json.loads(request.content), request.headers["idempotency-key"]
        self.writes.append(body)
        fault = self.faults.pop(len(self.writes), "")
        if fault == "lose":
            raise httpx.ReadError("reset before it was read")
        if fault == "refuse_503":
            return httpx.Response(503, json={})
        document = self._apply(body, key, request.content)
        if fault == "apply_then_lose":
            raise httpx.ReadError("reset after it was applied")
        if isinstance(document, str):
            return httpx.Response(400, json={"error": document})
        return httpx.Response(200, json=document)

    def _apply(self, body, key, content):
        if key in self.keys:
            first, document = self.keys[key]
            return document if first == content else "the key was used for another body"
        if self.unique:
            for document in self.documents:
                if document["reference"] == body["reference"]:
                    return document
        document = {"id": f"D{len(self.documents) + 1}", **body, **self.changes}
        self.documents.append(document)
        self.keys[key] = (content, document)
        return document

    def sums(self):
        totals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for document in self.documents:
            totals[document["currency"]] += Decimal(document["net"])
        return dict(totals)


class LedgerConnector:
    """Speaks to ``Vendor``."""

    vendor = "ledger"
    sends_webhooks = False
    snapshot_types = ()
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def __init__(self, capability):
        self.capabilities = {"invoice.create": capability}
        self.operation = "invoice.create"

    async def _send(self, session, method, path, call=None, query=()):
        writes = method == "POST"
        headers = {"idempotency-key": call.idempotency_key} if writes else {}
        content = json_content({**call.payload, "reference": call.reference}) if writes else b""
        request = Request(
            self.operation, method, path, query, headers, content, "application/json", writes
        )

        def refusal(answer):
            if answer.status == 429:
                wait = answer.headers.get("retry-after")
                return error_for(
                    "rate_limited", "Slow down.", retry_after=float(wait) if wait else 1.0
                )
            if answer.status >= 500:
                return broken("Ledger", answer.status, writes=writes)
            if answer.status >= 400:
                said = answer.json()
                return error_for("rejected_by_vendor", said["error"], field=said.get("field", ""))
            return None

        return (await session.send(request, refusal)).json()

    async def write(self, session, call):
        document = await self._send(session, "POST", "/documents", call)
        return Written(document["id"], document["id"])

    async def look_up(self, session, call):
        found = await self._send(
            session, "GET", "/documents", query=(("reference", call.reference),)
        )
        return Written(found[0]["id"], found[0]["id"]) if found else None

    async def read_back(self, session, call, written):
        document = await self._send(session, "GET", f"/documents/{written.external_id}")
        return ReadBack(
            written.external_id,
            written.external_id,
            currency=document["currency"],
            net=Decimal(document["net"]),
            tax=Decimal(document["tax"]),
            gross=Decimal(document["gross"]),
            document_date=dt.date.fromisoformat(document["date"]),
            period=document["period"],
            entity=document["entity"],
        )

    async def poll(self, session, cursor):
        await self._send(session, "GET", "/poll")
        return Page([], {"n": cursor.get("n", 0) + 1}, more=False)


def install(monkeypatch, capability="unique"):
    """A vendor and a connection to it; everything else of the lane is the product's own."""
    vendor, connector = Vendor(), LedgerConnector(CAPABILITIES[capability])
    monkeypatch.setattr(registry, "_connectors", lambda: {"ledger": connector})
    monkeypatch.setattr(
        services,
        "new_client",
        lambda: httpx.AsyncClient(transport=httpx.MockTransport(vendor.handle)),
    )
    with acting(TESTS):
        connection = Connection.objects.create(
            code="ledger", name="Ledger", vendor="ledger", role="erp",
            base_url="https://ledger.example",
        )  # fmt: skip
    return vendor, connector, connection


def make_due(connection, entity, n=1, *, net="100.00", ordering_key=None, **values):
    """Postings that are due now, translated already."""
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    made = []
    with acting(TESTS):
        for _ in range(n):
            key = uuid.uuid4().hex
            body = {
                "entity": "DE01", "currency": "EUR", "net": net, "tax": "19.00",
                "gross": "119.00", "date": "2026-11-02", "period": "2026-11",
            }  # fmt: skip
            made.append(
                Posting.objects.create(**{
                    "key": key, "reference": vendor_reference(key),
                    "connection_id": connection.id, "legal_entity": entity,
                    "operation": "invoice.create", "purpose": "test", "document_type": "invoice",
                    "document_id": uuid.uuid4(), "document_label": f"INV-{key[:6]}",
                    "ordering_key": ordering_key or f"contract:{key}",
                    "payload": {"meant": {**MEANT, "net": net}, "posting_date": "2026-11-02"},
                    "request": body, "amount": Decimal(net), "currency": "EUR", "due_at": now,
                    "posting_date": dt.date(2026, 11, 2), **values,
                })
            )  # fmt: skip
    return made


def pass_time(seconds):
    """Let the database's clock, as far as the lane sees it, move on: all its moments go back."""
    from django.db import connection as database

    with database.cursor() as cursor, acting(TESTS):
        for table, columns in {
            "postings_posting": ("due_at", "claimed_until", "first_sent_at", "unsettled_since"),
            "connectors_connection": ("circuit_until", "held_until"),
        }.items():
            sets = ", ".join(f"{c} = {c} - make_interval(secs => %s)" for c in columns)
            cursor.execute(f"UPDATE {table} SET {sets}", [seconds] * len(columns))  # noqa: S608
        if seconds >= 60:
            cursor.execute("DELETE FROM connectors_callcount")
