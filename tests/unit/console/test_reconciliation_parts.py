"""Why the sides differ: a part says what it does to each difference above it."""

from decimal import Decimal

from apps.console.sections.reconciliation import parts_of
from apps.reconciliation.types import Part, SideTotal, Total


def _total(sides, gaps):
    return Total(
        entity="JP01", currency="JPY", matched=0,
        sides=tuple(SideTotal(side, Decimal(1), 1) for side in sides),
        gaps=(), parts=(Part("amount_differs", "Amount differs", "explained", 1, gaps),),
    )  # fmt: skip


def test_legs_that_cancel_out_are_both_told():
    [part] = parts_of(_total(("cpq", "billing", "erp"), (Decimal(-270000), Decimal(270000))))
    assert part.text == "CPQ → Billing ¥270,000, Billing → ERP −¥270,000"


def test_one_difference_needs_no_names():
    [part] = parts_of(_total(("billing", "erp"), (Decimal(-5),)))
    assert part.text == "¥5"
