"""Stripe's arithmetic and forms as properties."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.simulators.stripe.currencies import exponent, major_text
from apps.simulators.stripe.errors import ValidationError
from apps.simulators.stripe.forms import INTEGER, METADATA, TEXT, decode, many, read, record
from apps.simulators.stripe.items import Debit
from apps.simulators.stripe.listing import parse_query
from apps.simulators.stripe.periods import Cycle, next_period, periods_until

INTERVALS = st.sampled_from(["day", "week", "month", "year"])
MOMENTS = st.integers(1_700_000_000, 1_900_000_000)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@given(INTERVALS, st.integers(1, 3), MOMENTS, st.integers(0, 90_000_000))
def test_periods_join_without_gap_and_end_after_now(
    interval: str, every: int, start: int, elapsed: int
) -> None:
    cycle, now = Cycle(interval, every), start + elapsed
    if interval == "day":
        now = start + elapsed % 10_000_000
    periods = list(periods_until(cycle, start, start, now))
    assert periods[0].start == start
    assert all(a.end == b.start for a, b in pairwise(periods))
    assert periods[-1].start <= now < periods[-1].end
    assert not any(period.is_partial for period in periods)


def test_month_ends_are_kept() -> None:
    cycle, anchor = Cycle("month", 1), at("2026-01-31")
    ends = [cycle.boundary(anchor, steps) for steps in range(4)]
    assert [datetime.fromtimestamp(end, UTC).day for end in ends] == [31, 28, 31, 30]
    assert next_period(cycle, anchor, ends[1]).end == ends[2]


def test_future_anchor_makes_the_first_period_partial() -> None:
    cycle = Cycle("month", 1)
    start, anchor = at("2026-11-10"), at("2026-12-01")
    first = next(iter(periods_until(cycle, anchor, start, start)))
    assert (first.start, first.end, first.cycle_start) == (start, anchor, at("2026-11-01"))


@given(st.integers(1, 10**9), st.integers(1, 10**8), st.data())
def test_unused_part_is_between_nothing_and_all(amount: int, length: int, data: Any) -> None:
    moment = data.draw(st.integers(0, length))
    debit = Debit(None, None, amount, 0, length, 1, "price", ())
    assert 0 <= debit.unused(moment) <= amount
    assert debit.unused(0) == amount
    assert debit.unused(length) == 0


def test_half_a_cent_rounds_away_from_zero() -> None:
    assert Debit(None, None, 1, 0, 2, 1, "price", ()).unused(1) == 1


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1234, "usd", "12.34"),
        (1234, "JPY", "1234"),
        (1234, "kwd", "1.234"),
        (-5, "eur", "-0.05"),
        (150, "isk", "1.50"),
    ],
)
def test_minor_units_to_text(minor: int, currency: str, text: str) -> None:
    assert major_text(minor, currency) == text
    assert exponent(currency) in (0, 2, 3)


def test_brackets_become_lists_in_numeric_order() -> None:
    form = "&".join(f"items[{n}][price]=p{n}" for n in (10, 2, 0))
    shape = record(items=many(record(price=TEXT)))
    assert read(decode(form), shape) == {"items": [{"price": p} for p in ("p0", "p2", "p10")]}


def test_empty_text_unsets_but_keeps_metadata_removal() -> None:
    shape = record(days=INTEGER, metadata=METADATA)
    assert read(decode("days=&metadata="), shape) == {"days": None, "metadata": {"": ""}}


@pytest.mark.parametrize(
    "form", ["x[=1", "items[a][price]=1", "metadata=1", "days[0]=1", "days=1.5"]
)
def test_malformed_forms_are_refused(form: str) -> None:
    shape = record(days=INTEGER, metadata=METADATA, items=many(record(price=TEXT)))
    with pytest.raises(ValidationError):
        read(decode(form), shape)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("metadata['ref']:'Q1'", True),
        ("metadata['ref']:'Q2'", False),
        ("status:'active' AND created>5", True),
        ("-status:'active'", False),
        ("status:'gone' OR created<=7", True),
        ("metadata['none']:null", True),
    ],
)
def test_search_language(query: str, *, matches: bool) -> None:
    document = {"metadata": {"ref": "Q1"}, "status": "active", "created": 7}
    assert parse_query(query)(document) is matches


def test_search_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="parse your search query"):
        parse_query("name~'x'")
