"""By how much a contract's billing must differ from its value in CPQ, and why.

CPQ states a contract as one full billing period of each line plus its one-time lines. Billing
charges less for an amendment in mid-period, more once a further period has begun, and more when
its staff invoice something that CPQ never sold.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from apps.canonical.models import Amendment, Contract, InvoiceLine, OrderLine, QuoteLine


@dataclass(slots=True)
class Accounted:
    """CPQ - billing as the contract's own history has it, in major units, with its reasons."""

    amount: Decimal = Decimal(0)
    reasons: list[str] = field(default_factory=list)
    is_timing: bool = True


def accounted_by_contract(contract_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Accounted]:
    """What amendments, later periods and charges beyond the contract account for; four queries."""
    found: dict[uuid.UUID, Accounted] = {}
    for amendment in Amendment.objects.filter(contract_id__in=contract_ids).order_by("generation"):
        one = found.setdefault(amendment.contract_id, Accounted())
        one.amount += amendment.net_per_term - amendment.prorated_net
        words = amendment.proration.get("words", "")
        one.reasons.append(f"{amendment.number} is billed for part of a period ({words})")
    sold = _sold(contract_ids)
    for line in _charges(contract_ids):
        contract = line.invoice.contract
        if contract is None:
            continue
        one = found.setdefault(contract.id, Accounted())
        if line.product_id not in sold.get(contract.id, set()):
            one.amount -= line.net
            one.is_timing = False
            one.reasons.append(
                f"{line.invoice.number} bills {_plain(line.net)} that CPQ never sold"
            )
        elif _is_later(line, contract):
            one.amount -= line.net
            one.reasons.append(
                f"{line.invoice.number} bills {_plain(line.net)} for a period from "
                f"{line.service_start}"
            )
    return found


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _is_later(line: InvoiceLine, contract: Contract) -> bool:
    """Whether a line charges a period after the contract's first one."""
    recurring = line.product is not None and line.product.charge_type == "recurring"
    return (
        recurring and line.service_start is not None and line.service_start > contract.start_date
    )


def _charges(contract_ids: Sequence[uuid.UUID]) -> Iterable[InvoiceLine]:
    return (
        InvoiceLine.objects.filter(invoice__contract_id__in=contract_ids, is_proration=False)
        .select_related("invoice__contract", "product")
        .order_by("id")
    )


def _sold(contract_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Products of the contracts' orders and amendments."""
    sold: dict[uuid.UUID, set[uuid.UUID]] = {}
    ordered = OrderLine.objects.filter(order__contract_id__in=contract_ids)
    amended = QuoteLine.objects.filter(quote__amendment__contract_id__in=contract_ids)
    for contract_id, product_id in (
        *ordered.values_list("order__contract_id", "product_id"),
        *amended.values_list("quote__amendment__contract_id", "product_id"),
    ):
        sold.setdefault(contract_id, set()).add(product_id)
    return sold
