"""Money is exact: nothing is lost in minor units, shares or text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money, allocate, from_minor, parse_amount, quantise, to_minor

currencies = st.sampled_from(["USD", "EUR", "GBP", "JPY", "KWD"])
minors = st.integers(min_value=-(10**12), max_value=10**12)


@given(minors, currencies)
def test_minor_units_round_trip(minor, currency):
    assert to_minor(from_minor(minor, currency), currency) == minor


@given(minors, currencies, st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
def test_allocation_keeps_the_total(minor, currency, weights):
    total = from_minor(minor, currency)
    shares = allocate(total, [Decimal(w) for w in weights], currency)
    assert sum(shares) == total
    assert all(quantise(share, currency) == share for share in shares)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("1.5", "JPY", "2"),
        ("2.5", "JPY", "3"),
    ],
)
def test_half_goes_away_from_zero(amount, currency, expected):
    assert quantise(Decimal(amount), currency) == Decimal(expected)


@pytest.mark.parametrize("bad", [None, True, 1.5, "NaN", "Infinity", "twelve", ""])
def test_what_is_not_an_exact_amount_is_refused(bad):
    with pytest.raises(ValueError, match="amount"):
        parse_amount(bad)


def test_a_fraction_of_a_minor_unit_is_refused():
    with pytest.raises(ValueError, match="more digits"):
        to_minor(Decimal("1.001"), "USD")


def test_two_currencies_do_not_add():
    with pytest.raises(ValueError, match="need a rate"):
        Money(Decimal(1), "USD") + Money(Decimal(1), "EUR")
