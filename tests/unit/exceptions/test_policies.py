"""How grave a case is and by when it is due."""

import datetime as dt
from decimal import Decimal

import pytest

from apps.exceptions.policies import (
    DatedRate,
    category_of,
    due_at,
    fingerprint_of,
    reporting_rates,
    severity_of,
)

DAY = dt.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("code", "amount", "blocks", "severity"),
    [
        ("unmapped_product", "250000", False, "critical"),
        ("unmapped_product", "249999.99", False, "high"),
        ("unmapped_product", "49999.99", False, "medium"),
        ("unmapped_product", "4999.99", False, "low"),
        ("unmapped_product", "-60000", False, "high"),
        ("unmapped_product", "10", True, "medium"),
        ("malformed_payload", None, False, "medium"),
        ("amount_incident", "10", False, "high"),
        ("amount_incident", "10", True, "critical"),
    ],
)
def test_severity(code, amount, blocks, severity):
    worth = None if amount is None else Decimal(amount)
    assert severity_of(code, worth, blocks_close=blocks) == severity


def test_a_graver_case_is_due_sooner():
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    dues = [due_at(severity, now) for severity in ("critical", "high", "medium", "low")]
    assert dues == sorted(dues)
    assert dues[0] - now == dt.timedelta(hours=1)


def test_fingerprints_keep_their_parts_apart():
    assert fingerprint_of(("a", "bc")) != fingerprint_of(("ab", "c"))
    assert len(fingerprint_of(("a",))) == 64


def test_an_unknown_code_is_the_platform_s():
    assert category_of("INVALID_KEY_OR_REF") == "platform"
    assert category_of("unmapped_product") == "mapping"


def test_rates_direct_inverse_and_crossed():
    pairs = {
        ("EUR", "USD"): DatedRate(Decimal("1.10"), DAY),
        ("EUR", "JPY"): DatedRate(Decimal("165"), DAY - dt.timedelta(days=3)),
        ("USD", "GBP"): DatedRate(Decimal("0.8"), DAY),
    }
    rates = reporting_rates(pairs, "USD", DAY)
    assert rates["USD"].rate == 1
    assert rates["EUR"].rate == Decimal("1.10")
    assert rates["GBP"].rate == Decimal("1.25")
    assert round(rates["JPY"].rate * 165, 10) == Decimal("1.10")
    assert rates["JPY"].rate_date == DAY - dt.timedelta(days=3)
    assert "CHF" not in rates
