"""What each posting left in a platform's own ledger (pure).

A document that the hub makes carries its reference. What changes an object that another posting
made is known otherwise: a subscription by the change it names last, an ended subscription by the
posting that ends it, a quote by the values written back, an entitlement by the reference of its
last event. A repetition that changed nothing leaves no line and is no second document.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from benchmarks.faults.invariants import Document

Entry = Mapping[str, Any]
QUOTE = "SBQQ__Quote__c"
WRITTEN_BACK = ("Hub_Status__c", "Hub_Order__c")
# An operation of the hub → what it leaves: the object, and what the ledger says happened to it.
# A customer is written by whoever needs it first; who did so last is all that can be seen.
LEAVES = {
    "subscription.create": ("subscription", "created"),
    "subscription.change": ("subscription", "changed"),
    "subscription.cancel": ("subscription", "canceled"),
    "invoice.create": ("invoice", "created"),
    "journal.create": ("journalEntry", "created"),
    "invoice.credit": ("creditMemo", "created"),
    "entitlement.provision": ("entitlement", "provisioned"),
    "entitlement.change": ("entitlement", "changed"),
    "entitlement.revoke": ("entitlement", "revoked"),
    "quote.write_back": (QUOTE, "written back"),
}
# Of these the line itself names the posting.
NAMED = frozenset(LEAVES.values()) - {
    ("subscription", "changed"), ("subscription", "canceled"), (QUOTE, "written back"),
}  # fmt: skip


def kind_of(operation: str) -> str:
    """What an operation's document is called."""
    return " ".join(LEAVES[operation])


@dataclass(frozen=True, slots=True)
class Meant:
    """A posting, as far as its trace is looked for; ``request`` is what was sent."""

    operation: str
    reference: str
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trace:
    """A document with the moment at which the platform wrote it."""

    at: dt.datetime
    document: Document


def traces(by_vendor: Mapping[str, Iterable[Entry]], meant: Iterable[Meant]) -> list[Trace]:
    """All that the hub's postings left, in the order of each ledger. What was changed without a
    posting that meant it has a reference of its own, which no posting has."""
    reader = _Reader(list(meant))
    return [
        Trace(dt.datetime.fromisoformat(str(entry["at"])), _document(vendor, entry, found))
        for vendor, entries in by_vendor.items()
        for entry in entries
        for found in reader.read(entry)
    ]


Found = tuple[str, str]  # what a line shows, as ``kind_of`` calls it, and the posting's reference


@dataclass
class _Reader:
    """Reads a ledger line by line: a change shows only beside what stood before."""

    meant: list[Meant]
    shown: dict[str, Any] = field(default_factory=dict)
    billed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cancels = {
            str(part["id"]): one.reference
            for one in self.meant
            if one.operation == "subscription.cancel"
            for part in one.request.get("subscriptions", ())
        }
        self.write_backs = {
            (str(one.request.get("Id"))[:15], *(one.request.get(name) for name in WRITTEN_BACK)):
            one.reference
            for one in self.meant
            if one.operation == "quote.write_back"
        }  # fmt: skip

    def read(self, entry: Entry) -> Iterator[Found]:
        what = (str(entry["object"]), str(entry["action"]))
        reference = str(entry.get("external_ref") or "")
        if what in NAMED and reference.startswith("Q"):
            yield " ".join(what), reference
        if what[0] == "subscription":
            yield from self._subscription(entry)
        if what == ("invoice", "finalized"):
            yield from self._proration(entry)
        if what[0] == QUOTE:
            yield from self._quote(entry)

    def _subscription(self, entry: Entry) -> Iterator[Found]:
        key, change = str(entry["id"]), _change(entry)
        if change and change != self.shown.get(key):
            yield kind_of("subscription.change"), change
        self.shown[key] = change
        if entry["action"] == "canceled":
            yield kind_of("subscription.cancel"), self.cancels.get(key, f"end of {key}")

    def _proration(self, entry: Entry) -> Iterator[Found]:
        """A change is billed once: the second invoice of one is a second document."""
        if entry["detail"].get("billing_reason") != "subscription_update":
            return
        bill = f"{entry['detail'].get('subscription')} {_change(entry)}"
        if bill in self.billed:
            yield kind_of("subscription.change"), _change(entry)
        self.billed.add(bill)

    def _quote(self, entry: Entry) -> Iterator[Found]:
        key = str(entry["id"])
        values = tuple(entry["detail"].get(name) for name in WRITTEN_BACK)
        if any(values) and values != self.shown.get(key):
            found = self.write_backs.get((key[:15], *values), f"values of {key}")
            yield kind_of("quote.write_back"), found
        self.shown[key] = values


def _change(entry: Entry) -> str:
    return str((entry["detail"].get("metadata") or {}).get("hub_change") or "")


def _document(vendor: str, entry: Entry, found: Found) -> Document:
    kind, reference = found
    amount = entry.get("gross") if vendor == "netsuite" else None
    return Document(
        vendor, kind, reference, str(entry["id"]), str(entry["entity"] or ""),
        str(entry["currency"] or "") if amount else "", Decimal(str(amount)) if amount else None,
    )  # fmt: skip
