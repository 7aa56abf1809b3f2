"""Exact money: a Decimal in major units with its ISO 4217 currency, quantised at the border."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# ISO 4217 minor-unit exponents that are not 2 (https://www.six-group.com, list one).
EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


def exponent_of(currency: str) -> int:
    """Digits after the decimal point of a currency (ISO 4217), 2 unless listed."""
    return EXPONENTS.get(currency, 2)


def quantise(amount: Decimal, currency: str) -> Decimal:
    """Round half-up, away from zero, to the currency's minor unit."""
    return amount.quantize(Decimal(1).scaleb(-exponent_of(currency)), rounding=ROUND_HALF_UP)


def to_minor(amount: Decimal, currency: str) -> int:
    """Major units → integer minor units. Raises ``ValueError`` if a fraction would be lost."""
    scaled = amount.scaleb(exponent_of(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} has more digits than the currency's minor unit")
    return int(scaled)


def from_minor(minor: int, currency: str) -> Decimal:
    """Integer minor units → major units."""
    return Decimal(minor).scaleb(-exponent_of(currency))


def parse_amount(text: object) -> Decimal:
    """A Decimal from vendor text or number. Raises ``ValueError`` on anything else, NaN too."""
    if isinstance(text, bool | float) or text is None:
        raise ValueError(f"{text!r} is not an exact amount")
    try:
        amount = Decimal(str(text).strip())
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not an amount") from error
    if not amount.is_finite():
        raise ValueError(f"{text!r} is not an amount")
    return amount


def allocate(total: Decimal, weights: Iterable[Decimal], currency: str) -> list[Decimal]:
    """Split a total by weights without losing a minor unit: the last share takes the rest.

    Raises ``ValueError`` when the weights sum to zero.
    """
    parts = list(weights)
    whole = sum(parts, Decimal(0))
    if whole == 0:
        raise ValueError("cannot allocate by weights that sum to zero")
    shares = [quantise(total * part / whole, currency) for part in parts[:-1]]
    return [*shares, total - sum(shares, Decimal(0))]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units of one currency; adding two currencies is an error."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} need a rate before a sum")
        return Money(self.amount + other.amount, self.currency)

    def rounded(self) -> "Money":
        return Money(quantise(self.amount, self.currency), self.currency)
