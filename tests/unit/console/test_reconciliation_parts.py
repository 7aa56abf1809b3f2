"""Why the sides differ: a part says what it does to each difference above it."""

from decimal import Decimal

from apps.console.sections.reconciliation import Scope
from apps.console.sections.reconciliation_totals import parts_of
from apps.reconciliation.types import Part, SideTotal, Total

SCOPE = Scope("contract", None, "", "")


def _total(sides, gaps):
    return Total(
        entity="JP01", currency="JPY", matched=0,
        sides=tuple(SideTotal(side, Decimal(1), 1) for side in sides),
        gaps=(), parts=(Part("amount_differs", "Amount differs", "explained", 1, gaps),),
    )  # fmt: skip


def test_legs_that_cancel_out_are_both_told():
    [part] = parts_of(
        _total(("cpq", "billing", "erp"), (Decimal(-270000), Decimal(270000))), SCOPE
    )
    assert part.text == "CPQ → Billing ¥270,000, Billing → ERP −¥270,000"


def test_one_difference_needs_no_names():
    [part] = parts_of(_total(("billing", "erp"), (Decimal(-5),)), SCOPE)
    assert part.text == "¥5"


def test_a_part_leads_to_its_rows_and_what_nothing_explains_stands_last():
    total = Total(
        entity="", currency="USD", matched=0, gaps=(),
        sides=(SideTotal("billing", Decimal(1), 1), SideTotal("erp", Decimal(1), 1)),
        parts=(Part("amount_differs", "Amount differs", "open", 1, (Decimal(1),)),
               Part("timing", "Timing", "explained", 1, (Decimal(1),))),
    )  # fmt: skip
    explained, unexplained = parts_of(total, SCOPE)
    assert (explained.tone, unexplained.tone) == ("quiet", "hatched")
    assert unexplained.url.endswith("bucket=amount_differs")
