"""Deals without a flaw, for benchmarks: a platform fee and seats, billed from five days ago."""

from collections.abc import Iterable
from decimal import Decimal

from scenario.drive import SalesTeam
from scenario.world import PRODUCTS, Buyer, Deal, Line, buyers


def plain_deals(count: int, prefix: str) -> list[Deal]:
    """Deals with the buyers in turn; their keys begin with the prefix."""
    everyone = buyers()
    return [
        _deal(f"{prefix}-{number:03d}", number, everyone[number % len(everyone)])
        for number in range(count)
    ]


def _deal(key: str, number: int, buyer: Buyer) -> Deal:
    lines = (_line("PLAT-TEAM", 1, buyer), _line("SEAT-PRO", 10 + number % 40, buyer))
    return Deal(key, buyer, lines, start_days_ago=5)


def _line(sku: str, quantity: int, buyer: Buyer) -> Line:
    return Line(sku, quantity, Decimal(PRODUCTS[sku]["price"][buyer.currency]))


def sell(sales: SalesTeam, deals: Iterable[Deal]) -> None:
    """Quote, approve and accept each."""
    for deal in deals:
        quote = sales.quote(deal)
        sales.approve(quote)
        sales.accept(quote)
