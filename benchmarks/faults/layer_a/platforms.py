"""Fake platforms with ledgers of their own, and the connectors that speak to them.

One vendor for each capability after an unknown outcome; each plays every role. A fault is planted
for a connection and an operation and strikes once.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from apps.connectors.base import (
    SHOWN,
    AfterUnknown,
    BadDelivery,
    Capability,
    DoorConfig,
    InboundMessage,
    OutboundCall,
    Page,
    ReadBack,
    SnapshotPage,
    VerifiedBody,
    Written,
)
from apps.connectors.http import Session
from apps.connectors.limits import standard_limits
from apps.core.errors import (
    ConfigurationError,
    HubError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)

SIGNATURE = "x-fake-signature"
SECRET = "signed"  # noqa: S105 - a word that the fake doors know
LAG = 5.0  # seconds until a document of a lagging platform can be found
TAX_RATE = Decimal("0.19")
CENT = Decimal("0.01")

OPERATIONS = (
    "customer.upsert", "tax.quote", "subscription.create", "subscription.change",
    "entitlement.provision", "entitlement.change", "quote.write_back", "invoice.create",
    "journal.create",
)  # fmt: skip
# What reading back shows of a document with money; the other operations show nothing of it.
SHOWS = {
    "invoice.create": SHOWN - {"period"},
    "journal.create": SHOWN - {"period", "tax", "gross"},
}
NOTHING = frozenset[str]()
CAPABILITIES = {
    "fake_key": Capability(AfterUnknown.NATIVE_KEY, ttl=dt.timedelta(days=1), shows=NOTHING),
    "fake_brief": Capability(AfterUnknown.NATIVE_KEY, ttl=dt.timedelta(seconds=20), shows=NOTHING),
    "fake_ref": Capability(AfterUnknown.UNIQUE_REFERENCE, shows=NOTHING),
    "fake_lookup": Capability(
        AfterUnknown.LOOKUP, visibility_lag=dt.timedelta(seconds=LAG), shows=NOTHING
    ),
    "fake_none": Capability(AfterUnknown.NONE, shows=NOTHING),
}


@dataclass(slots=True)
class Entry:
    """One document in a platform's ledger."""

    platform: str
    operation: str
    reference: str
    key: str
    external_id: str
    payload: Mapping[str, Any]
    amount: Decimal | None
    written_at: float
    visible_at: float


@dataclass(slots=True)
class Fault:
    """What happens to the next write of an operation at a platform; ``about`` is a text that the
    payload must hold (a contract's number), so that one contract alone is struck."""

    platform: str
    operation: str
    kind: str
    about: str = ""
    struck: bool = False


@dataclass
class Platforms:
    """All accounts at all fake vendors: their ledgers, their planted faults, their callbacks."""

    now: Callable[[], float]
    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    callbacks: list[tuple[str, str]] = field(default_factory=list)  # platform, reference
    calls: int = 0
    dead: bool = False  # the worker that would call was killed

    def find(self, platform: str, reference: str, operation: str) -> Entry | None:
        """What a lookup by our reference shows now."""
        return next(
            (
                e for e in self.entries
                if (e.platform, e.reference, e.operation) == (platform, reference, operation)
                and e.visible_at <= self.now()
            ),
            None,
        )  # fmt: skip

    def take(self, platform: str, operation: str, payload: Mapping[str, Any]) -> str:
        """The kind of the fault that strikes this write; empty for none."""
        aimed = [
            fault for fault in self.faults
            if not fault.struck and (fault.platform, fault.operation) == (platform, operation)
        ]  # fmt: skip
        text = json.dumps(payload) if aimed else ""
        for fault in aimed:
            if fault.about in text:
                fault.struck = True
                return fault.kind
        return ""

    def apply(self, platform: str, call: OutboundCall, lag: float, *, wrong: bool) -> Entry:
        """Write a document, whatever stands there already."""
        amount = amount_of(call.operation, call.payload)
        entry = Entry(
            platform, call.operation, call.reference, call.idempotency_key,
            f"{platform}-{len(self.entries) + 1}", call.payload,
            amount + CENT if wrong and amount is not None else amount,
            self.now(), self.now() + lag,
        )  # fmt: skip
        self.entries.append(entry)
        if call.operation.startswith("entitlement."):
            self.callbacks.append((platform, call.reference))
        return entry


def amount_of(operation: str, payload: Mapping[str, Any]) -> Decimal | None:
    """The money of a document as the platform reads it from what was sent."""
    if operation == "invoice.create":
        return Decimal(payload["invoice"]["gross"])
    if operation == "journal.create":
        return sum((Decimal(line["debit"]) for line in payload["lines"]), Decimal(0))
    if operation == "subscription.create":
        return Decimal(payload["order"]["net"])
    if operation == "subscription.change":
        return Decimal(payload["amendment"]["prorated_net"])
    return None


# kind → whether the document is written, and what the caller hears (None: a good answer)
FAULTS: dict[str, tuple[bool, Callable[[], HubError | Exception | None]]] = {
    "apply_then_timeout": (True, lambda: OutcomeUnknownError("timeout", "No answer in time.")),
    "apply_then_500": (True, lambda: OutcomeUnknownError("server_error", "It answered 500.")),
    "cut_body": (True, lambda: OutcomeUnknownError("cut", "The answer broke off.")),
    "lost_on_the_way": (False, lambda: OutcomeUnknownError("timeout", "No answer in time.")),
    "server_error": (False, lambda: OutcomeUnknownError("server_error", "It answered 500.")),
    "html": (False, lambda: OutcomeUnknownError("html", "A page came instead of an answer.")),
    "rate_limit": (False, lambda: TransientError("rate_limited", "Too many.", retry_after=7.0)),
    "unreachable": (False, lambda: TransientError("unreachable", "Nobody is there.")),
    "reject": (False, lambda: RejectedError("validation_failed", "It said no. Correct it.")),
    "credentials": (False, lambda: ConfigurationError("unauthorised", "The key is wrong.")),
    "bug_on_answer": (True, lambda: ValueError("our own code failed on the answer")),
    "lag": (True, lambda: OutcomeUnknownError("timeout", "No answer in time.")),
    "read_back_fails": (True, lambda: None),
    "differs": (True, lambda: None),
}
LAGGING = 4.5  # seconds for which a lagging platform hides a document, within what it declares


class WorkerIsDead(BaseException):
    """Somebody tried to call on behalf of a killed worker."""


class FakeConnector:
    """One vendor: how it behaves is its capability, what it holds is in the platforms' ledger."""

    sends_webhooks = False
    snapshot_types: tuple[str, ...] = ()
    fetched_types: tuple[str, ...] = ()
    limits = staticmethod(standard_limits)

    def __init__(self, vendor: str, platforms: Platforms) -> None:
        self.vendor, self.platforms = vendor, platforms
        # A tax quote changes nothing, so asking again is safe at every vendor.
        self.capabilities: Mapping[str, Capability] = {
            **{
                operation: replace(CAPABILITIES[vendor], shows=SHOWS.get(operation, NOTHING))
                for operation in OPERATIONS
            },
            "tax.quote": Capability(AfterUnknown.UNIQUE_REFERENCE, shows=NOTHING),
        }

    def verify(
        self, door: DoorConfig, headers: Mapping[str, str], body: bytes, now: dt.datetime
    ) -> VerifiedBody:
        if headers.get(SIGNATURE) != SECRET:
            raise BadDelivery("bad_signature", "The signature does not fit.", 401)
        return VerifiedBody(str(json.loads(body)["id"]))

    def split(self, content_type: str, body: bytes) -> Sequence[InboundMessage]:
        message = json.loads(body)
        return [
            InboundMessage(
                f"{message['object']}.changed", message["object"], message["object_id"],
                int(message["version"]), message["document"],
            )
        ]  # fmt: skip

    async def write(self, session: Session, call: OutboundCall) -> Written:
        platform = self._called(session)
        kind = self.platforms.take(platform, call.operation, call.payload)
        applies, answer = FAULTS.get(kind, (True, lambda: None))
        entry = self._known(platform, call)
        if applies and entry is None:
            lag = LAGGING if kind == "lag" else 0.0
            entry = self.platforms.apply(platform, call, lag, wrong=kind == "differs")
        if (error := answer()) is not None:
            raise error
        assert entry is not None  # noqa: S101 - a good answer has a document
        if kind == "read_back_fails":
            self.platforms.faults.append(Fault(platform, "read_back", "unreachable"))
        return self._written(entry)

    def _called(self, session: Session) -> str:
        if self.platforms.dead:
            raise WorkerIsDead
        self.platforms.calls += 1
        return session.vendor_name

    def _known(self, platform: str, call: OutboundCall) -> Entry | None:
        """The document that this vendor recognises a repetition by, within its promise."""
        able = self.capabilities[call.operation]
        for entry in self.platforms.entries:
            if (entry.platform, entry.operation) != (platform, call.operation):
                continue
            age = dt.timedelta(seconds=self.platforms.now() - entry.written_at)
            by_key = able.after_unknown is AfterUnknown.NATIVE_KEY and age < able.ttl
            by_reference = able.after_unknown is AfterUnknown.UNIQUE_REFERENCE
            if (by_key and entry.key == call.idempotency_key) or (
                by_reference and entry.reference == call.reference
            ):
                return entry
        return None

    def _written(self, entry: Entry) -> Written:
        return Written(entry.external_id, f"N-{entry.external_id}", data=result_of(entry))

    async def look_up(self, session: Session, call: OutboundCall) -> Written | None:
        platform = self._called(session)
        assert self.vendor != "fake_none"  # noqa: S101 - it cannot be asked by reference
        entry = self.platforms.find(platform, call.reference, call.operation)
        return None if entry is None else self._written(entry)

    async def read_back(self, session: Session, call: OutboundCall, written: Written) -> ReadBack:
        platform = self._called(session)
        if self.platforms.take(platform, "read_back", call.payload):
            raise TransientError("unreachable", "Nobody is there.")
        entry = next(e for e in self.platforms.entries if e.external_id == written.external_id)
        return reading_of(entry)

    async def fetch(
        self, session: Session, object_type: str, ids: Sequence[str]
    ) -> Sequence[InboundMessage]:
        return []

    async def poll(self, session: Session, cursor: Mapping[str, Any]) -> Page:
        return Page((), cursor, more=False)

    async def snapshot(
        self, session: Session, document_type: str, cursor: Mapping[str, Any]
    ) -> SnapshotPage:
        return SnapshotPage((), cursor, more=False)


def result_of(entry: Entry) -> dict[str, Any]:
    """What the platform tells of a document besides its id."""
    payload, made = entry.payload, entry.external_id
    if entry.operation == "tax.quote":
        lines = [
            {"position": line["position"], "tax_code": "T19", "tax": str(tax_on(line["net"]))}
            for line in payload["lines"]
        ]
        return {"lines": lines, "tax": str(sum(Decimal(line["tax"]) for line in lines))}
    if entry.operation == "subscription.create":
        items = [
            {"id": f"{made}-{line['key']}", "line": line["key"]}
            for part in payload["parts"]
            for line in part["lines"]
        ]
        return {"subscriptions": [{"id": made, "items": items}]}
    if entry.operation == "subscription.change":
        return {"prorated_net": str(entry.amount)}
    return {}


def tax_on(net: str) -> Decimal:
    return (Decimal(net) * TAX_RATE).quantize(CENT)


def reading_of(entry: Entry) -> ReadBack:
    """The document as the platform shows it."""
    payload = entry.payload
    if entry.operation == "invoice.create":
        invoice, dims = payload["invoice"], payload["dimensions"]
        return ReadBack(
            entry.external_id, currency=payload["currency"], net=Decimal(invoice["net"]),
            tax=Decimal(invoice["tax"]), gross=entry.amount, entity=payload["entity"],
            document_date=dt.date.fromisoformat(payload["posting_date"]),
            dimensions=tuple(d for d in (dims["department"], dims["location"]) if d),
        )  # fmt: skip
    if entry.operation == "journal.create":
        first = payload["lines"][0]
        return ReadBack(
            entry.external_id, currency=payload["currency"], net=entry.amount,
            entity=payload["entity"],
            document_date=dt.date.fromisoformat(payload["posting_date"]),
            dimensions=tuple(d for d in (first["department"], first["location"]) if d),
        )  # fmt: skip
    return ReadBack(entry.external_id, data=result_of(entry))
