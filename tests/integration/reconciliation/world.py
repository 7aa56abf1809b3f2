"""A small company group with one contract, for tests of what is read and compared."""

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.canonical.models import (
    Amendment,
    Contract,
    Customer,
    Invoice,
    Order,
    OrderLine,
    Product,
    Quote,
)
from apps.connectors.base import SnapshotDocument, SnapshotLine
from apps.connectors.models import Connection
from apps.core.ids import uuid7, vendor_reference
from apps.core.principal import Actor
from apps.events.services import acting
from apps.organisation.models import Currency, Group, LegalEntity
from apps.postings.models import Posting
from apps.snapshots.services import store_documents

START, END = dt.date(2026, 11, 20), dt.date(2027, 11, 20)
LINE = SnapshotLine("SEAT-PRO", "Seats", Decimal(2), Decimal(50), Decimal(100))
VENDORS = {"cpq": "salesforce", "billing": "stripe", "erp": "netsuite"}


@dataclass
class World:
    """Two legal entities, three platforms that were read to the end, one customer."""

    actor: Actor
    now: dt.datetime

    def __post_init__(self) -> None:
        for code in ("USD", "EUR", "JPY"):
            Currency.objects.create(code=code, name=code, exponent=0 if code == "JPY" else 2)
        Group.objects.create(name="Group", reporting_currency_id="USD")
        self.us = self._entity("US01", "US", "USD", "America/New_York")
        self.de = self._entity("DE01", "DE", "EUR", "Europe/Berlin")
        with acting(self.actor):
            self.connections = {role: self._connection(role) for role in VENDORS}
        self.customer = Customer.objects.create(
            number="C-1", name="Lumen & Co", currency="USD", country="US", legal_entity=self.us
        )
        self.product = Product.objects.create(sku="SEAT-PRO", name="Seat")

    def _entity(self, code: str, country: str, currency: str, zone: str) -> LegalEntity:
        return LegalEntity.objects.create(
            code=code, name=code, country=country, functional_currency_id=currency, time_zone=zone
        )

    def _connection(self, role: str) -> Connection:
        read = {"cursor": {}, "read_at": self.now.isoformat()}
        return Connection.objects.create(
            code=VENDORS[role], name=VENDORS[role].capitalize(), vendor=VENDORS[role], role=role,
            snapshot_cursors={"invoice": read, "contract": read},
        )  # fmt: skip

    def shown(self, side: str, key: str, net: str, tax: str = "0", **changes: Any) -> None:
        """Let a platform show an invoice (or, on CPQ, a contract)."""
        values: dict[str, Any] = {
            "document_type": "contract" if side == "cpq" else "invoice",
            "external_id": f"{side}-{key}", "number": key, "match_key": key, "entity": "US01",
            "currency": "USD", "net": Decimal(net), "tax": Decimal(tax),
            "gross": Decimal(net) + Decimal(tax), "status": "open", "document_date": START,
            "customer_name": "Lumen & Co",
            "lines": (LINE,),
        }  # fmt: skip
        document = SnapshotDocument(**{**values, **changes})
        store_documents(self.connections[side], [document], now=changes.get("at", self.now))

    def contract(self, number: str = "00000100", net: str = "1000") -> Contract:
        """An accepted quote with its order and contract, in one journey."""
        journey = uuid7()
        common = {
            "customer": self.customer, "currency": "USD", "net": Decimal(net),
            "legal_entity": self.us, "journey_id": journey, "start_date": START, "end_date": END,
        }  # fmt: skip
        contract = Contract.objects.create(number=number, **common)
        quote = Quote.objects.create(
            number=f"Q-{number}", term_months=12, status="Accepted", accepted_at=self.now, **common
        )
        order = Order.objects.create(
            number=f"ORD-{number}", quote=quote, contract=contract, **common
        )
        OrderLine.objects.create(
            order=order, position=0, product=self.product, charge_type="recurring", quantity=1,
            unit_price=Decimal(net), net=Decimal(net),
        )  # fmt: skip
        return contract

    def amendment(self, contract: Contract, per_term: str, prorated: str) -> Amendment:
        quote = Quote.objects.create(
            number=f"Q-{contract.number}-A1", type="amendment", customer=self.customer,
            currency="USD", net=Decimal(per_term), legal_entity=self.us, term_months=12,
            journey_id=contract.journey_id, start_date=START, end_date=END,
        )  # fmt: skip
        amendment = Amendment.objects.create(
            number=f"{contract.number}-A1", contract=contract, quote=quote, generation=1,
            effective_date=START, currency="USD", net_per_term=Decimal(per_term),
            prorated_net=Decimal(prorated), legal_entity=self.us, journey_id=contract.journey_id,
            proration={"words": "353 of 365 days"},
        )  # fmt: skip
        made: Amendment = self._made_now(amendment)
        return made

    def _made_now(self, record: Any) -> Any:
        """Records tell by the tests' clock when they were made."""
        record.created_at = self.now
        record.save(update_fields=["created_at"])
        return record

    def invoice(
        self, contract: Contract, number: str, net: str, tax: str = "0", **more: Any
    ) -> Invoice:
        invoice = Invoice.objects.create(
            number=number, customer=self.customer, contract=contract, currency="USD",
            invoice_date=START, net=Decimal(net), tax=Decimal(tax), legal_entity=self.us,
            gross=Decimal(net) + Decimal(tax), journey_id=contract.journey_id, **more,
        )  # fmt: skip
        made: Invoice = self._made_now(invoice)
        return made

    def posting(
        self, document: Any, kind: str, operation: str, role: str = "erp", **more: Any
    ) -> Posting:
        """A posting in a state of its own; the way there is not played."""
        key = uuid.uuid4().hex
        state = more.pop("state", "queued")
        with acting(self.actor):
            posting = Posting.objects.create(
                key=key, reference=vendor_reference(key), operation=operation, purpose=operation,
                connection_id=self.connections[role].id, document_type=kind,
                document_id=document.id, document_label=document.number, payload={},
                ordering_key=f"contract:{document.id}", legal_entity=self.us,
                journey_id=document.journey_id, due_at=self.now, **more,
            )  # fmt: skip
            for step in WAYS[state]:
                getattr(posting, step)()
                posting.save()
        return posting


WAYS = {
    "queued": (), "sending": ("send",), "posted": ("send", "post"), "rejected": ("send", "reject"),
    "confirmed": ("send", "post", "confirm"),
}  # fmt: skip
