"""The company of layer A: one legal entity for each capability, and what its platforms send."""

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps import mappings
from apps.api.setup.load import load_setup
from apps.connectors.types import ROLES
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec
from benchmarks.faults.layer_a.platforms import CAPABILITIES, OPERATIONS, tax_on

# legal entity → vendor; every role of the entity is played by that vendor
ENTITIES = {
    "KEY1": "fake_key", "BRF1": "fake_brief", "REF1": "fake_ref", "LKP1": "fake_lookup",
    "NON1": "fake_none",
}  # fmt: skip
SENT = (
    "entity", "currency", "customer", "lines", "date", "document", "customer_external_id",
    "contract", "order", "parts", "quote", "order_number", "status", "invoice", "posting_date",
    "dimensions", "tax_lines", "number", "event_kind", "memo", "amendment", "changes",
)  # fmt: skip
INVOICE = (
    "number", "status", "contract", "currency", "invoice_date", "due_date", "net", "tax", "gross",
    "lines", "tax_lines",
)  # fmt: skip


def platform_of(entity: str, role: str) -> str:
    """The code, and the name, of a legal entity's connection for a role."""
    return f"{entity.lower()}-{role}"


def install(now: dt.datetime) -> None:
    """Set the company up through the product's own loader; the fake vendors must be known."""
    load_setup(
        {
            "currencies": [{"code": "EUR", "name": "Euro", "exponent": 2}],
            "group": {"name": "Layer A", "reporting_currency": "EUR"},
            "entities": [
                {"code": code, "name": code, "country": "DE", "currency": "EUR",
                 "time_zone": "UTC"}
                for code in ENTITIES
            ],
            "periods": [{"offset": n, "state": "open"} for n in range(-2, 3)],
            "users": [_user("maker"), _user("checker")],
            "connections": [
                {"code": platform_of(entity, role), "name": platform_of(entity, role),
                 "vendor": vendor, "role": role, "entity": entity, "concurrency": 25,
                 "base_url": "http://127.0.0.1:1"}
                for entity, vendor in ENTITIES.items()
                for role in ROLES
            ],
        },
        now=now,
    )  # fmt: skip
    with acting(system_actor("setup")):
        ensure_mappings(_field_maps(), actor=system_actor("setup"), now=now)


def _user(name: str) -> dict[str, Any]:
    roles = [{"role": role} for role in ("operations", "finance", "admin")]
    return {"username": name, "name": name.title(), "email": f"{name}@layer-a.example",
            "password": f"{name}-of-layer-a", "roles": roles}  # fmt: skip


def _field_maps() -> list[MappingSpec]:
    """What is sent is what is meant; what comes is read as the domain API's documents are."""
    whole = {"object": {"reference": "reference", **{n: _if_there(n) for n in SENT}}}
    invoice = {"object": {"record_type": {"const": "invoice"}, **{n: n for n in INVOICE}}}
    maps = {
        **{f"{operation}.out": whole for operation in OPERATIONS},
        "quote.in": _default("api.quote.in"),
        "callback.in": _default("provisioning.callback.in"),
        "invoice.in": invoice,
    }
    return [
        MappingSpec(f"{vendor}.{name}", f"{vendor} {name}", "field", "hub", vendor, rules)
        for vendor in CAPABILITIES
        for name, rules in maps.items()
    ]


def _if_there(name: str) -> dict[str, Any]:
    return {"path": name, "optional": True}


def _default(code: str) -> Any:
    folder = Path(mappings.__file__).parent / "defaults"
    return json.loads((folder / f"{code}.json").read_text())["rules"]


@dataclass(frozen=True, slots=True)
class Message:
    """One body on its way to a door."""

    connection: str
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Deal:
    """One contract from its quote on; everything it sends follows from its number."""

    number: int
    entity: str
    started: dt.date

    @property
    def contract(self) -> str:
        return f"K{self.number:06d}"

    @property
    def price(self) -> Decimal:
        return Decimal(100 + self.number % 89) + Decimal("0.25")

    def quote(self, version: int = 1, **changes: Any) -> Message:
        """The accepted and approved quote of ten seats for a year."""
        document = {
            "number": f"Q{self.number:06d}", "status": "accepted", "ordered": True,
            "changed_at": "2026-01-05T09:00:00+00:00", "entity": self.entity, "currency": "EUR",
            "net": str(10 * self.price), "start_date": self.started.isoformat(),
            "end_date": (self.started + dt.timedelta(days=364)).isoformat(), "term_months": 12,
            "approval_outcome": "approved", "approved_by": "Dana", "department": "SALES",
            "contract_reference": f"ref-{self.contract}", "contract_number": self.contract,
            "customer": {"number": f"C{self.number:06d}", "name": f"Buyer {self.number}",
                         "country": "DE", "city": "Kiel"},
            "lines": [self._line(10, 0)],
            **changes,
        }  # fmt: skip
        return self._message("cpq", "quote", f"quote-{document['number']}", version, document)

    def _line(self, seats: int, before: int) -> dict[str, Any]:
        return {
            "key": f"seats-{self.contract}", "position": 0,
            "product": {"sku": "SEAT", "name": "Seat", "revenue_class": "PLATFORM"},
            "charge_type": "recurring", "frequency": "annual", "quantity": str(seats),
            "prior_quantity": str(before), "unit_price": str(self.price),
            "net": str((seats - before) * self.price),
        }  # fmt: skip

    def amendment(self, turn: int = 1, version: int = 1) -> Message:
        """Five more seats, half a year in."""
        seats = 10 + 5 * (turn - 1)
        line = {**self._line(seats + 5, seats), "key": f"seats-{self.contract}-{turn}",
                "upgrades": f"seats-{self.contract}"}  # fmt: skip
        start = self.started + dt.timedelta(days=180)
        changes = {
            "number": f"Q{self.number:06d}-A{turn}", "type": "amendment", "lines": [line],
            "net": line["net"], "start_date": start.isoformat(), "contract_number": None,
        }  # fmt: skip
        return self.quote(version, **changes)

    def invoice(self, turn: int = 1, version: int = 1) -> Message:
        """The year's invoice as billing issues it."""
        net = str(10 * self.price)
        tax = tax_on(net)
        issued = dt.date.today().isoformat()  # noqa: DTZ011 - as billing does, by its calendar
        line = {
            "key": f"il-{self.contract}-{turn}", "sku": "SEAT", "description": "Seats",
            "quantity": "10", "unit_price": str(self.price), "net": net, "tax": str(tax),
            "tax_code": "T19", "service_start": issued,
            "service_end": (dt.date.today() + dt.timedelta(days=364)).isoformat(),  # noqa: DTZ011
        }  # fmt: skip
        taxed = {"tax_code": "T19", "rate": "0.19", "taxable": net, "tax": str(tax)}
        number = f"I{self.number:06d}-{turn}"
        document = {
            "number": number, "status": "open", "contract": self.contract, "currency": "EUR",
            "invoice_date": issued, "due_date": issued, "net": net, "tax": str(tax),
            "gross": str(Decimal(net) + tax), "lines": [line], "tax_lines": [taxed],
        }  # fmt: skip
        return self._message("billing", "invoice", f"invoice-{number}", version, document)

    def _message(
        self, role: str, kind: str, object_id: str, version: int, document: dict[str, Any]
    ) -> Message:
        return message(platform_of(self.entity, role), kind, object_id, version, document)


def callback(platform: str, reference: str) -> Message:
    """Provisioning says that an entitlement is live."""
    document = {"type": "entitlement.provisioned", "subject": reference,
                "data": {"reference": reference}}  # fmt: skip
    return message(platform, "callback", f"entitlement-{reference}", 1, document)


def message(
    connection: str, kind: str, object_id: str, version: int, document: dict[str, Any]
) -> Message:
    message_id = f"{object_id}@{version}"
    body = {"id": message_id, "object": kind, "object_id": object_id, "version": version,
            "document": document}  # fmt: skip
    return Message(connection, message_id, json.dumps(body, sort_keys=True).encode())
