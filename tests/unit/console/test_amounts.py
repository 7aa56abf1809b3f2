"""Amounts as text: exact, in the currency's own decimals, never a sum of two currencies."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.console.presentation.amounts import approximate, short_amount, split_amount


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("148210", "EUR", "€148,210.00"),
        ("-13886.84", "USD", "\u2212$13,886.84"),
        ("2584", "JPY", "¥2,584"),
        ("1.5", "KWD", "KWD\u00a01.500"),
        ("3791.355", "NOK", "kr\u00a03,791.36"),
        ("-0.001", "EUR", "€0.00"),
    ],
)
def test_amount_in_the_currency_s_own_form(amount: str, currency: str, shown: str) -> None:
    text = split_amount(Decimal(amount), currency)

    assert f"{text.sign}{text.symbol}{text.whole}{text.fraction}" == shown


def test_a_gain_shows_its_sign_only_when_asked() -> None:
    assert split_amount(Decimal("13200"), "EUR", plus=True).sign == "+"
    assert split_amount(Decimal("13200"), "EUR").sign == ""
    assert split_amount(Decimal(0), "EUR", plus=True).sign == ""


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_no_digit_is_lost(amount: Decimal) -> None:
    text = split_amount(amount, "EUR")

    digits = f"{'-' if text.sign else ''}{text.whole.replace(',', '')}{text.fraction}"
    assert Decimal(digits) == amount


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("2460000", "≈\u00a0$2.46M"),
        ("205000", "≈\u00a0$205k"),
        ("999", "≈\u00a0$999"),
        ("-1200000000", "≈\u00a0\u2212$1.20bn"),
    ],
)
def test_short_amounts(amount: str, shown: str) -> None:
    assert short_amount(Decimal(amount), "USD") == shown


def test_a_converted_amount_says_so() -> None:
    assert approximate(Decimal("3417125.40"), "USD") == "≈\u00a0$3,417,125"
