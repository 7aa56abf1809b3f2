"""Amounts as people read them: a real minus, the currency's own decimals, grouped thousands."""

from dataclasses import dataclass
from decimal import Decimal

from apps.core.money import exponent_of, quantise

# Signs that readers know without a legend; any other currency is written as its ISO code.
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "NOK": "kr\u00a0", "SEK": "kr\u00a0"}
MINUS = "\u2212"
_SHORT = ((Decimal(10) ** 9, "bn", 2), (Decimal(10) ** 6, "M", 2), (Decimal(10) ** 3, "k", 0))


@dataclass(frozen=True, slots=True)
class AmountText:
    """One amount split for display: ``sign`` + ``symbol`` + ``whole`` + dimmed ``fraction``."""

    sign: str
    symbol: str
    whole: str
    fraction: str
    currency: str

    def plain(self) -> str:
        """Without symbol, for titles and copying: ``EUR 148,210.00``."""
        return f"{self.currency} {self.sign}{self.whole}{self.fraction}".strip()


def symbol_of(currency: str) -> str:
    """The sign before an amount of an ISO 4217 currency; empty for no currency."""
    return SYMBOLS.get(currency, f"{currency}\u00a0" if currency else "")


def split_amount(amount: Decimal, currency: str, *, plus: bool = False) -> AmountText:
    """An amount in major units, rounded to the currency's exponent; ``plus`` writes + on gains."""
    exact = quantise(amount, currency)
    sign = MINUS if exact < 0 else "+" if plus and exact > 0 else ""
    whole, _, fraction = f"{abs(exact):,.{exponent_of(currency)}f}".partition(".")
    return AmountText(
        sign, symbol_of(currency), whole, f".{fraction}" if fraction else "", currency
    )


def approximate(amount: Decimal, currency: str) -> str:
    """A converted amount without decimals: ``≈ $3,417,125``."""
    sign = MINUS if amount < 0 else ""
    return f"≈\u00a0{sign}{symbol_of(currency)}{abs(amount):,.0f}"


def short_amount(amount: Decimal, currency: str) -> str:
    """A converted amount to three figures or so: ``≈ $2.46M``, ``≈ $205k``."""
    sign = MINUS if amount < 0 else ""
    size = abs(amount)
    for limit, suffix, digits in _SHORT:
        if size >= limit:
            return f"≈\u00a0{sign}{symbol_of(currency)}{size / limit:,.{digits}f}{suffix}"
    return f"≈\u00a0{sign}{symbol_of(currency)}{size:,.0f}"
