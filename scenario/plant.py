"""The planted problems, the acceptance without approval, and how each shows itself.

A planter shares no code with what finds the problem: it only knows what a person at the platform
would do wrong, and which case that should make.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from scenario.world import Buyer, Deal, Line, buyers


@dataclass(frozen=True, slots=True)
class Planted:
    """A problem: the deal it sits in, and the code and customer of the case it must make."""

    name: str
    code: str
    deal: Deal | None = None
    customer: str = ""


def _buyer(
    number: str, name: str, entity: str, like: Callable[[Buyer], bool], **changes: str
) -> Buyer:
    base = next(buyer for buyer in buyers() if buyer.entity == entity and like(buyer))
    return replace(base, number=number, name=name, **changes)


def _anyone(_buyer: Buyer) -> bool:
    return True


def _french(buyer: Buyer) -> bool:
    return buyer.country == "FR"


def _deal(key: str, buyer: Buyer, sku: str, quantity: int, price: str) -> Deal:
    return Deal(key, buyer, (Line(sku, quantity, Decimal(price)),), 3, plant=key)


def planted() -> list[Planted]:
    """Every planted problem; the same in each run."""
    anyone = _anyone
    french = _french
    wrong_state = _buyer("C-2001", "Cedar Falls Dairy", "US01", anyone, state="ZZ")
    wrong_vat = _buyer("C-2002", "Maison Lenoir SAS", "DE01", french, vat_id="FR12")
    no_department = _buyer("C-2003", "Quarry Street Partners", "US01", anyone)
    no_department_jp = _buyer("C-2004", "Nagisa Logistics KK", "JP01", anyone)
    edge_one = _buyer("C-2005", "Vantage Rail", "US01", anyone)
    edge_two = _buyer("C-2006", "Bergmann Optik GmbH", "DE01", lambda b: b.country == "DE")
    silent_one = _buyer("C-2007", "Orchard Valley Foods", "US01", anyone)
    silent_two = _buyer("C-2008", "Kobe Ceramics KK", "JP01", anyone)
    unapproved = _buyer("C-2009", "Redwood Legal", "US01", anyone)
    return [
        Planted("wrong_state", "tax_validation_failed",
                _deal("P-1", wrong_state, "PLAT-TEAM", 1, "6000.00"), wrong_state.name),
        Planted("wrong_vat", "tax_validation_failed",
                _deal("P-2", wrong_vat, "PLAT-TEAM", 2, "5700.00"), wrong_vat.name),
        Planted("no_department", "missing_dimension",
                _deal("P-3", no_department, "SEAT-PRO", 40, "330.00"), no_department.name),
        Planted("no_department_jp", "missing_dimension",
                _deal("P-4", no_department_jp, "SEAT-PRO", 25, "49500"), no_department_jp.name),
        Planted("unmapped_one", "unmapped_product",
                _deal("P-5", edge_one, "EDGE-NODE", 8, "1250.00"), edge_one.name),
        Planted("unmapped_two", "unmapped_product",
                _deal("P-6", edge_two, "EDGE-NODE", 12, "1190.00"), edge_two.name),
        Planted("outage_one", "vendor_outage",
                _deal("P-7", silent_one, "ANALYTICS", 1, "3600.00"), silent_one.name),
        Planted("outage_two", "vendor_outage",
                _deal("P-8", silent_two, "ANALYTICS", 1, "540000"), silent_two.name),
        Planted("no_approval", "acceptance_without_approval",
                _deal("P-9", unapproved, "PLAT-ENT", 1, "24000.00"), unapproved.name),
        Planted("closed_period", "period_closed"),
        Planted("malformed", "malformed_payload"),
        Planted("headless", "malformed_payload"),
    ]  # fmt: skip
