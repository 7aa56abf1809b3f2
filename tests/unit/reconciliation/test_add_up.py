"""Totals of several currencies as one: whatever is rounded, the figures agree with each other."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import quantise
from apps.reconciliation.policies import add_up
from apps.reconciliation.types import Part, SideTotal, Total

RATES = {"USD": Decimal(1), "EUR": Decimal("1.16203"), "JPY": Decimal("0.006537")}
AMOUNTS = st.integers(-10_000_000, 10_000_000).map(lambda n: Decimal(n) / 100)


def _convert(amount: Decimal, currency: str) -> Decimal:
    return quantise(amount * RATES[currency], "USD")


def _total(currency: str, ledger: Decimal, parts: list[tuple[str, Decimal, Decimal]]) -> Total:
    gaps = (sum((p[1] for p in parts), Decimal(0)), sum((p[2] for p in parts), Decimal(0)))
    sides = (
        SideTotal("cpq", ledger + gaps[0] + gaps[1], 3), SideTotal("billing", ledger + gaps[1], 2),
        SideTotal("erp", ledger, 1),
    )  # fmt: skip
    shown = tuple(Part(type_, type_, "explained", 1, (a, b)) for type_, a, b in parts)
    return Total("X", currency, sides, gaps, 4, shown)


PARTS = st.lists(
    st.tuples(st.sampled_from(["missing_in_erp", "timing"]), AMOUNTS, AMOUNTS), max_size=4
)


@given(st.lists(st.tuples(st.sampled_from(sorted(RATES)), AMOUNTS, PARTS), min_size=1, max_size=4))
def test_sides_differences_and_parts_agree_to_the_minor_unit(
    rows: list[tuple[str, Decimal, list[tuple[str, Decimal, Decimal]]]],
) -> None:
    totals = [_total(*row) for row in rows]
    whole = add_up(totals, "USD", _convert)
    for place, gap in enumerate(whole.gaps):
        assert whole.sides[place].amount - whole.sides[place + 1].amount == gap
        assert sum((part.gaps[place] for part in whole.parts), Decimal(0)) == gap
    # The ledger is converted as it is; upstream every share may be rounded by half a cent.
    ledger = sum((_convert(t.sides[2].amount, t.currency) for t in totals), Decimal(0))
    assert whole.sides[2].amount == ledger
    direct = sum((t.sides[0].amount * RATES[t.currency] for t in totals), Decimal(0))
    roundings = 2 * sum(len(t.parts) for t in totals) + len(totals)
    assert abs(whole.sides[0].amount - direct) <= Decimal("0.005") * roundings


def test_one_currency_stays_exact_and_counts_are_added() -> None:
    totals = [
        _total("EUR", Decimal("10.01"), [("timing", Decimal(0), Decimal("1.10"))]),
        _total("EUR", Decimal("20.02"), [("timing", Decimal("2.20"), Decimal(0))]),
    ]
    whole = add_up(totals, "EUR", lambda amount, _: amount)
    assert [side.amount for side in whole.sides] == [
        Decimal("33.33"), Decimal("31.13"), Decimal("30.03"),
    ]  # fmt: skip
    assert [side.count for side in whole.sides] == [6, 4, 2]
    [part] = whole.parts
    assert (part.count, part.gaps, whole.matched) == (2, (Decimal("2.20"), Decimal("1.10")), 8)


def test_sides_that_agree_have_no_difference() -> None:
    whole = add_up([_total("EUR", Decimal(5), [])], "EUR", lambda amount, _: amount)
    assert (whole.gaps, whole.parts) == ((Decimal(0), Decimal(0)), ())
