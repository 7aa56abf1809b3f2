"""Stripe's minor units (docs.stripe.com/currencies), which differ from ISO 4217 here and there."""

from __future__ import annotations

from decimal import Decimal

# ISK and UGX have no minor unit in ISO 4217 but are counted in hundredths here.
ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
THREE_DECIMAL = "BHD JOD KWD OMR TND"


def exponent(currency: str) -> int:
    """Number of decimal places of a currency code, any case."""
    code = currency.upper()
    if code in ZERO_DECIMAL.split():
        return 0
    return 3 if code in THREE_DECIMAL.split() else 2


def major_text(minor: int, currency: str) -> str:
    """Minor units as a decimal string in major units: 1234, 'usd' -> '12.34'."""
    return format(Decimal(minor).scaleb(-exponent(currency)), "f")
