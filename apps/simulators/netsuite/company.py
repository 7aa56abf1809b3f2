"""The NetSuite account: records, internal ids, preferences, ledger lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.kit import Kit
from apps.simulators.core.ledger import Entry
from apps.simulators.core.money import round_half_up
from apps.simulators.netsuite.amounts import precision
from apps.simulators.netsuite.errors import missing_values, user_error
from apps.simulators.netsuite.shapes import RECORD_TYPES, TRANSACTIONS, RecordType

NUMBER_PREFIXES = {
    "invoice": "INV",
    "creditMemo": "CM",
    "customerPayment": "PYMT",
    "journalEntry": "JE",
}
# Segments that this account's accounting preferences make mandatory on income lines.
DEFAULT_MANDATORY = ("department",)
SEGMENT_LABELS = {"department": "Department", "class": "Class", "location": "Location"}


class Company:
    def __init__(self, kit: Kit) -> None:
        self.kit, self.store = kit, kit.store
        for name in RECORD_TYPES:
            kit.store.index(name, "externalId")
        kit.store.index("customer", "entityId")

    def now_text(self) -> str:
        return self.kit.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def today(self) -> str:
        return self.kit.clock.now().date().isoformat()

    def new_id(self, kind: RecordType) -> str:
        return str(self.store.next_number(f"id:{kind.family}", first=101))

    def number_of(self, kind: str) -> str:
        return f"{NUMBER_PREFIXES[kind]}{self.store.next_number(f'tran:{kind}'):06d}"

    def require(self, kind: RecordType, document: Document) -> None:
        """Raises "Please enter value(s) for: …" for absent mandatory fields."""
        absent = [label for name, label in kind.required if document.get(name) is None]
        if absent:
            raise missing_values(*absent)

    def require_segments(self, line: Document, header: Document) -> None:
        """Departments and the like, as far as the preferences make them mandatory."""
        mandatory = self.kit.setting("mandatory_segments", DEFAULT_MANDATORY)
        absent = [
            SEGMENT_LABELS[name]
            for name in mandatory
            if line.get(name) is None and header.get(name) is None
        ]
        if absent:
            raise missing_values(*absent)

    def account_of_type(self, account_type: str, label: str) -> str:
        """The first account of a type, as the company's default for it."""
        for account in self.store.all("account"):
            if account.get("acctType") == account_type:
                return str(account["id"])
        raise missing_values(label)

    def save(self, kind: RecordType, before: Document | None, document: Document) -> Document:
        """Store a record with its dates, refuse a second external id, write the ledger."""
        self._check_external_id(kind, document)
        now = self.now_text()
        created = before["createdDate"] if before else now
        saved = {**document, "createdDate": created, "lastModifiedDate": now}
        self.store.put(kind.name, saved["id"], saved)
        self._record("updated" if before else "created", kind, saved)
        return saved

    def remove(self, kind: RecordType, document: Document) -> None:
        self.store.delete(kind.name, document["id"])
        self._record("deleted", kind, document)

    def _check_external_id(self, kind: RecordType, document: Document) -> None:
        external = document.get("externalId")
        if external is None:
            return
        others = self.store.find(kind.name, "externalId", external)
        if any(other["id"] != document["id"] for other in others):
            raise user_error("This record already exists", path="externalId")

    # Ledger

    def _record(self, action: str, kind: RecordType, document: Document) -> None:
        symbol, places = precision(self.store, document.get("currency") or "")
        is_transaction = kind.name in TRANSACTIONS
        amounts = _ledger_amounts(document, places) if is_transaction else {}
        self.kit.ledger.record(
            Entry(
                action=action,
                object=kind.name,
                id=document["id"],
                external_ref=document.get("externalId"),
                idempotency_key=document.get("_idempotency_key"),
                entity=self.name_of("subsidiary", document.get("subsidiary")),
                currency=symbol if document.get("currency") else None,
                detail=self._detail(kind, document),
                **amounts,
            )
        )

    def _detail(self, kind: RecordType, document: Document) -> Document:
        names = ("tranId", "tranDate", "memo", "custbody_hub_ref", "custbody_contract_ref")
        detail: dict[str, Any] = {n: document[n] for n in names if document.get(n) is not None}
        if kind.name not in TRANSACTIONS:
            return {"name": document.get(kind.label)}
        detail["period"] = self.name_of("accountingPeriod", document.get("postingPeriod"))
        detail["customer"] = self.name_of(
            "customer", document.get("entity") or document.get("customer")
        )
        detail["postings"] = [self._posting(posting) for posting in document["_postings"]]
        return detail

    def _posting(self, posting: Document) -> Document:
        shown = {name: str(posting[name]) for name in ("debit", "credit") if posting[name]}
        shown["account"] = self.name_of("account", posting["account"]) or ""
        for name, kind in (
            ("department", "department"),
            ("class", "classification"),
            ("location", "location"),
        ):
            if posting.get(name):
                shown[name] = self.name_of(kind, posting[name]) or ""
        return shown

    def name_of(self, kind: str, key: str | None) -> str | None:
        """A record's external id, else its number or name: what a checker can compare."""
        document = self.store.get(kind, key) if key else None
        if document is None:
            return None
        label = document.get("acctNumber") or document.get(RECORD_TYPES[kind].label)
        return str(document.get("externalId") or label or key)


def _ledger_amounts(document: Document, places: int) -> dict[str, str]:
    def text(amount: Decimal) -> str:
        return format(round_half_up(amount, places), "f")

    if "total" in document:
        return {
            "net": text(document["subtotal"]),
            "tax": text(document["taxTotal"]),
            "gross": text(document["total"]),
        }
    debits = sum((posting["debit"] for posting in document["_postings"]), Decimal(0))
    return {"gross": text(debits)}
