"""Proration and revenue by day: exact to the minor unit, nothing lost, the same as billing's."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.canonical.policies import (
    RevenuePart,
    add_months,
    billing_period,
    may_activate,
    merge_parts,
    prorate,
    straight_line,
)
from apps.canonical.types import Span
from apps.core.money import exponent_of, quantise

DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2035, 12, 31))
CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "BHD"])
AMOUNTS = st.decimals(-(10**9), 10**9, places=3)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def test_an_upgrade_is_charged_for_the_days_that_are_left() -> None:
    found = prorate(
        unit_price=Decimal("330.00"), before=Decimal(40), after=Decimal(50),
        period=Span(day("2026-11-03"), day("2027-11-03")), effective=day("2026-11-18"),
        currency="USD",
    )  # fmt: skip
    # 350 of 365 days: debit 15821.92 (50 seats), credit 12657.53 (40 seats)
    assert (found.net, found.words) == (Decimal("3164.39"), "350 of 365 days")


def test_a_change_outside_the_billing_period_is_an_error() -> None:
    with pytest.raises(ValueError, match="not inside the billing period"):
        prorate(
            unit_price=Decimal(1), before=Decimal(1), after=Decimal(2),
            period=Span(day("2026-11-03"), day("2027-11-03")), effective=day("2026-11-02"),
            currency="USD",
        )  # fmt: skip


@given(
    price=st.integers(0, 10**8),
    before=st.integers(0, 500),
    after=st.integers(0, 500),
    start=DAYS,
    data=st.data(),
    currency=CURRENCIES,
)
def test_proration_equals_flexible_billing_to_the_second(
    price: int, before: int, after: int, start: dt.date, data: st.DataObject, currency: str
) -> None:
    """Billing credits the unused part of what it debited and debits the rest of the new price,
    each rounded half-up to the minor unit, with shares of seconds between midnights in UTC."""
    period = Span(start, add_months(start, 12))
    effective = start + dt.timedelta(days=data.draw(st.integers(0, period.days)))
    seconds = Decimal((period.end - effective).days * 86_400)
    left = seconds / Decimal(period.days * 86_400)
    ours = prorate(
        unit_price=Decimal(price).scaleb(-exponent_of(currency)), before=Decimal(before),
        after=Decimal(after), period=period, effective=effective, currency=currency,
    ).net  # fmt: skip
    theirs = quantise(Decimal(price) * after * left, "JPY") - quantise(
        Decimal(price * before) * left, "JPY"
    )
    assert ours == theirs.scaleb(-exponent_of(currency))


@given(
    price=st.integers(1, 10**6),
    quantities=st.tuples(*[st.integers(0, 300)] * 3),
    start=DAYS,
    days=st.tuples(st.integers(0, 200), st.integers(0, 150)),
)
def test_a_second_change_credits_from_the_debit_of_the_first(
    price: int, quantities: tuple[int, int, int], start: dt.date, days: tuple[int, int]
) -> None:
    period = Span(start, add_months(start, 12))
    unit = Decimal(price).scaleb(-2)
    first, second = start + dt.timedelta(days[0]), start + dt.timedelta(days[0] + days[1])
    before, between, after = (Decimal(quantity) for quantity in quantities)
    one = prorate(
        unit_price=unit, before=before, after=between, period=period, effective=first,
        currency="EUR",
    )  # fmt: skip
    two = prorate(
        unit_price=unit, before=between, after=after, period=period, effective=second,
        currency="EUR", debited=one.debit,
    )  # fmt: skip
    left = Decimal((period.end - second).days)
    credited = quantise(one.debit.amount * (left / one.debit.span.days), "EUR")
    debited = quantise(unit * after * (left / period.days), "EUR")
    assert two.net == debited - credited
    assert one.debit.span == Span(first, period.end)


@given(start=DAYS, later=st.integers(0, 2000), frequency=st.sampled_from(["monthly", "annual"]))
def test_every_day_lies_in_exactly_one_billing_period(
    start: dt.date, later: int, frequency: str
) -> None:
    moment = start + dt.timedelta(days=later)
    period = billing_period(start, frequency, moment)
    assert period.start <= moment < period.end
    following = billing_period(start, frequency, period.end)
    assert following.start == period.end


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2027-01-31", 1, "2027-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
    ],
)
def test_month_ends_are_kept(start: str, months: int, expected: str) -> None:
    assert add_months(day(start), months) == day(expected)


@given(amount=AMOUNTS, start=DAYS, days=st.integers(0, 800), currency=CURRENCIES)
def test_revenue_parts_cover_the_span_and_sum_to_the_amount(
    amount: Decimal, start: dt.date, days: int, currency: str
) -> None:
    total = quantise(amount, currency)
    span = Span(start, start + dt.timedelta(days=days))
    parts = straight_line(total, span, currency)
    assert sum((part.amount for part in parts), Decimal(0)) == total
    assert all(part.amount == quantise(part.amount, currency) for part in parts)
    assert parts[0].start == span.start
    assert parts[-1].end == span.end
    assert all(one.end == two.start for one, two in pairwise(parts))
    assert all(f"{part.start:%Y-%m}" == part.period_code for part in parts)


def test_a_year_that_begins_in_a_month_has_thirteen_parts() -> None:
    parts = straight_line(Decimal("365.00"), Span(day("2026-11-20"), day("2027-11-20")), "EUR")
    assert [(p.period_code, p.amount) for p in (parts[0], parts[1], parts[-1])] == [
        ("2026-11", Decimal("11.00")),
        ("2026-12", Decimal("31.00")),
        ("2027-11", Decimal("19.00")),
    ]
    assert len(parts) == 13


def test_lines_of_one_period_are_one_part() -> None:
    november = (day("2026-11-05"), day("2026-12-01"))
    merged = merge_parts(
        [
            RevenuePart("2026-12", day("2026-12-01"), day("2026-12-05"), Decimal(4)),
            RevenuePart("2026-11", *november, Decimal(10)),
            RevenuePart("2026-11", day("2026-11-01"), day("2026-11-20"), Decimal("-3.50")),
        ]
    )
    assert [(part.period_code, part.amount) for part in merged] == [
        ("2026-11", Decimal("6.50")),
        ("2026-12", Decimal(4)),
    ]
    assert (merged[0].start, merged[0].end) == (day("2026-11-01"), day("2026-12-01"))


@pytest.mark.parametrize(
    ("accepted", "outcome", "may"),
    [
        (True, "approved", True),
        (True, "", False),
        (True, "rejected", False),
        (False, "approved", False),
    ],
)
def test_only_an_approved_quote_becomes_an_order(accepted: bool, outcome: str, may: bool) -> None:
    assert may_activate(accepted=accepted, approval_outcome=outcome) is may
