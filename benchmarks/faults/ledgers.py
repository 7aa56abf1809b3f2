"""The platforms' own append-only ledgers, read from their control APIs: the campaign's judges."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.faults.stack import VENDORS
from scenario.checker import Sums, erp_documents, finalized_invoices, sums
from scenario.platforms import Platform

Entry = Mapping[str, Any]
# What the hub creates at a platform, once for each reference of its own: (platform, object).
CREATED = (
    ("stripe", "customer"),
    ("stripe", "subscription"),
    ("netsuite", "customer"),
    ("netsuite", "invoice"),
    ("netsuite", "journalEntry"),
    ("netsuite", "creditMemo"),
    ("provisioning", "entitlement"),
)
MADE = ("created", "provisioned")


class Ledgers:
    """All four, read once."""

    def __init__(self, state: Path | None = None) -> None:
        self.state = state
        self.by_vendor = {vendor: Platform(vendor).ledger() for vendor in VENDORS}

    @staticmethod
    def references() -> dict[str, str]:
        """Our reference → the id of the document that stands under it, at any platform."""
        ledgers = Ledgers()
        return {
            ref: ids[0]
            for (_, _, ref), ids in ledgers.created.items()
        }  # fmt: skip

    @cached_property
    def created(self) -> dict[tuple[str, str, str], list[str]]:
        """(platform, object, our reference) → ids of the documents made under it, in order."""
        found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for vendor, kind in CREATED:
            for entry in self.by_vendor[vendor]:
                if entry["object"] != kind or not entry.get("external_ref"):
                    continue
                ids = found[vendor, kind, str(entry["external_ref"])]
                if entry["action"] in MADE and str(entry["id"]) not in ids:
                    ids.append(str(entry["id"]))
        return {key: ids for key, ids in found.items() if ids}

    def twice(self) -> list[str]:
        """Documents that stand more than once under one reference of the hub."""
        return [
            f"{vendor} {kind} {reference}: {', '.join(ids)}"
            for (vendor, kind, reference), ids in self.created.items()
            if len(ids) > 1
        ]

    def billed(self) -> dict[str, Entry]:
        """Billing's invoices that stand, by number."""
        return finalized_invoices(self.by_vendor["stripe"])

    def booked(self) -> dict[str, Entry]:
        """The ERP's invoices that stand, by internal id."""
        return erp_documents(self.by_vendor["netsuite"], "invoice")

    def sums(self) -> tuple[Sums, Sums]:
        """Gross by legal entity and currency: billing's and the ERP's."""
        return sums(self.billed().values()), sums(self.booked().values())

    def trial_balance(self) -> Decimal:
        """Debits less credits over all accounts of the ERP; the absolute sum by currency."""
        rows = Platform("netsuite").call("GET", "/_sim/trial-balance")["rows"]
        total: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            key = f"{row.get('subsidiary', '')}:{row.get('currency', '')}"
            total[key] += Decimal(str(row.get("debit", 0))) - Decimal(str(row.get("credit", 0)))
        return sum((abs(value) for value in total.values()), Decimal(0))

    def delivered(self) -> dict[str, set[str]]:
        """Message ids that each platform was told 2xx for, as the hub names them."""
        found: dict[str, set[str]] = {}
        for vendor in ("salesforce", "stripe", "provisioning"):
            sent = [d for d in self._deliveries(vendor) if d["state"] == "delivered"]
            found[vendor] = {_message_id(vendor, delivery) for delivery in sent}
        return found

    def undelivered(self) -> int:
        """Messages that no attempt brought to the hub."""
        return sum(
            delivery["state"] != "delivered"
            for vendor in ("salesforce", "stripe", "provisioning")
            for delivery in self._deliveries(vendor)
        )

    def _deliveries(self, vendor: str) -> list[dict[str, Any]]:
        """From the platform's own file, which has the bodies too."""
        if self.state is None:
            return []
        last: dict[str, dict[str, Any]] = {}
        with (self.state / f"{vendor}.state.jsonl").open() as lines:
            for line in lines:
                if '"k":"_delivery"' in line[:40]:
                    record = json.loads(line)
                    last[record["i"]] = record["d"]
        return [document for document in last.values() if document]

    def digests(self) -> dict[str, str]:
        """SHA-256 of each ledger as it stands."""
        return {
            vendor: hashlib.sha256(
                "\n".join(json.dumps(line, sort_keys=True) for line in lines).encode()
            ).hexdigest()
            for vendor, lines in self.by_vendor.items()
        }


def _message_id(vendor: str, delivery: Mapping[str, Any]) -> str:
    """An outbound message of the CRM is known by its bytes, the others by the sender's id."""
    if vendor != "salesforce":
        return str(delivery["message"])
    return f"om-{hashlib.sha256(str(delivery['body']).encode()).hexdigest()[:40]}"
