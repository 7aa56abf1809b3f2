"""Amounts: minor units, half-up rounding and the exponents of ISO 4217."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# Currencies whose minor unit is not a hundredth (ISO 4217 exponents 0 and 3).
_NO_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"


def exponent(currency: str) -> int:
    """Number of decimal places of a currency code, any case; 2 when not listed."""
    code = currency.upper()
    if code in _NO_MINOR.split():
        return 0
    return 3 if code in _THOUSANDTHS.split() else 2


def round_half_up(amount: Decimal, places: int) -> Decimal:
    """Round away from zero at the half, as the vendors' invoices do."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def to_minor(amount: Decimal) -> int:
    """Round an amount already in minor units to a whole number of them."""
    return int(round_half_up(amount, 0))


def amount_text(amount: Decimal, currency: str) -> str:
    """A major-unit amount as a string with the currency's own number of places."""
    return format(round_half_up(amount, exponent(currency)), "f")
